# Heat map of hours by days. Variables: data (folder), wide, days (how many).
if (wide) {
    set terminal svg size 880, 440 dynamic font "sans-serif,13" noenhanced
    set xrange [0.2:days + 0.8]
    set yrange [24.9:-0.6]
} else {
    set terminal svg size 380, 60 + days * 22 dynamic font "sans-serif,12" noenhanced
    set xrange [-0.6:23.6]
    set yrange [days + 0.7:-0.4]
}
set datafile separator "\t"
set border 0
unset tics
unset key
set lmargin at screen (wide ? 0.055 : 0.15)
set rmargin at screen 0.995
set tmargin at screen 0.995
set bmargin at screen 0.005
set style fill solid noborder
cells = data . "/activity"
names = data . "/days"
if (wide) {
    plot cells using 1:2:(0.46):(0.46):3 with boxxyerror lc rgb variable, \
         names using 1:(24.2):(days > 7 ? stringcolumn(2) : stringcolumn(3) . " " . stringcolumn(2)) with labels tc rgb "#010101", \
         for [h = 0:23:3] "+" using (0.3):(h):(sprintf("%02d:00", h)) every ::0::0 with labels right tc rgb "#010101"
} else {
    plot cells using 2:1:(0.43):(0.44):3 with boxxyerror lc rgb variable, \
         names using (-0.6):1:(stringcolumn(3) . " " . stringcolumn(2)) with labels right offset char -0.2, 0 tc rgb "#010101", \
         for [h = 0:23:3] "+" using (h):(0.1):(sprintf("%02d", h)) every ::0::0 with labels tc rgb "#010101"
}
