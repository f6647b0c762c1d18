# Bars of the species heard most. Variables: data (folder), wide, bars (how many), most (the longest).
if (wide) {
    set terminal svg size 880, 20 + bars * 30 dynamic font "sans-serif,14" noenhanced
} else {
    set terminal svg size 380, 20 + bars * 26 dynamic font "sans-serif,12" noenhanced
}
set datafile separator "\t"
set border 0
unset tics
unset key
set lmargin at screen (wide ? 0.24 : 0.43)
set rmargin at screen (wide ? 0.92 : 0.86)
set tmargin at screen 0.995
set bmargin at screen 0.005
set xrange [0:most]
set yrange [bars + 0.5:0.5]
set style fill solid noborder
bar = data . "/top_species"
plot bar using 3:1:(0):3:($1 - 0.36):($1 + 0.36) with boxxyerror lc rgb "#0a0001", \
     bar using (0):1:2 with labels right offset char -0.8, 0 tc rgb "#010101", \
     bar using 3:1:4 with labels left offset char 0.6, 0 tc rgb "#010101"
