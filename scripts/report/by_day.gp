# Detections of one station on each day, and what is usual. Variables: data (folder), wide, days, number (of the station).
if (wide) {
    set terminal svg size 880, 250 dynamic font "sans-serif,13" noenhanced
    step = 1
} else {
    set terminal svg size 380, 230 dynamic font "sans-serif,12" noenhanced
    step = days > 7 ? 5 : 1
}
set datafile separator "\t"
set datafile missing "NaN"
set border 0
set xrange [0.5:days + 0.5]
set yrange [0:*]
unset xtics
set ytics scale 0 tc rgb "#010101"
set grid ytics lt 1 lc rgb "#020202"
set lmargin at screen (wide ? 0.055 : 0.12)
set rmargin at screen 0.995
set tmargin at screen 0.95
set bmargin at screen 0.13
unset key
line = sprintf("%s/by_day_%d", data, number)
plot line using 1:2 with filledcurves y1=0 lc rgb "#0a0003", \
     line using 1:3 with lines lw 2 dt 2 lc rgb "#0a0002", \
     line using 1:2 with lines lw 2.5 lc rgb "#0a0001", \
     data . "/days" using (int($1) % step == 1 % step ? $1 : NaN):(0):(days > 7 ? stringcolumn(2) : stringcolumn(3) . " " . stringcolumn(2)) with labels offset 0, -1.1 tc rgb "#010101"
