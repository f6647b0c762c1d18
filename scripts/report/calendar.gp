# Calendar: a row for each week, Monday first. Variables: data (folder), wide, weeks (how many).
if (wide) {
    set terminal svg size 880, 40 + weeks * 70 dynamic font "sans-serif,15" noenhanced
} else {
    set terminal svg size 380, 34 + weeks * 52 dynamic font "sans-serif,12" noenhanced
}
set datafile separator "\t"
set border 0
unset tics
unset key
set lmargin at screen 0.003
set rmargin at screen 0.997
set tmargin at screen 0.997
set bmargin at screen 0.003
set xrange [-0.5:6.5]
set yrange [weeks - 0.5:-0.95]
set style fill solid noborder
cells = data . "/calendar"
plot cells using 1:2:(0.47):(0.45):3 with boxxyerror lc rgb variable, \
     cells using ($1 - 0.42):($2 - 0.24):5:4 with labels left font "sans-serif,11" tc rgb variable, \
     cells using 1:($2 + 0.12):6:4 with labels tc rgb variable, \
     data . "/weekdays" using 1:(-0.7):2 with labels tc rgb "#010101"
