# What gnuplot draws, as lines "FILE<tab>COLUMN<tab>...": colours are numbers that scripts/lib/report_charts.sh turns into
# variables of the page: 0x0b000N is shade N of the scale, 0x0c000N what is legible upon it.
# A name may hold anything: what ends a line, a column or a quoted text in gnuplot's data goes.
def safe: gsub("[\u0000-\u001f\u007f-\u009f]"; " ") | gsub("\""; "”") | if length > 26 then .[:25] + "…" else . end;
def shade($most): if (. // 0) == 0 then 0 else [6, 1 + (6 * ((. / $most) | sqrt) | floor)] | min end;
# the calendar's days are alike: their shades begin with the quietest day that had any
def shade_from($least; $most): if (. // 0) == 0 then 0 elif $most == $least then 4
  else [6, 1 + (6 * (. - $least) / ($most - $least) | floor)] | min end;
def coloured($base): 65536 * $base + .;
def line: map(tostring) | join("\t");
def most: map(. // 0) | max // 0 | if . == 0 then 1 else . end;
(rows("hour_by_day") as $days
 | ([$days[].detail.hours[]] | most) as $most
 | $days[]
 | .position as $day
 | (["days", $day, (.label[8:] | ltrimstr("0")), text("weekday.\(.label | weekday)")] | line),
   (.value as $value | .detail.hours | to_entries[]
    | ["activity", $day, .key, (if $value == null then "NaN" else (.value | shade($most) | coloured(11)) end)] | line)),
(rows("hour_by_day") as $days
 | ($days | map(.value // 0)) as $values
 | ($values | map(select(. > 0)) | min // 0) as $least
 | ($days[0].label | weekday) as $first
 | $days[]
 | (.position + $first - 2) as $cell
 | (.value | shade_from($least; $values | max)) as $shade
 | ["calendar", $cell % 7, ($cell / 7 | floor), ($shade | coloured(11)), ($shade | coloured(12)), (.label[8:] | ltrimstr("0")),
    (if .value == null then " " else .value | number end)] | line),
(range(7) | ["weekdays", ., text("weekday.\(. + 1)")] | line),
(drawn_stations | to_entries[] | .key as $key | .value as $station
 | [rows("by_day")[] | select(.detail.station == $station)] | to_entries[]
 | ["by_day_\($key)", .key + 1, .value.value // "NaN", .value.detail.usual // "NaN"] | line),
(rows("top_species")[] | ["top_species", .position, (.label | safe), .value, (.value | number)] | line)
