# For a terminal: what stands in the columns is padded to their width. Escapes in names stay words.
def plain: gsub("[\u0000-\u001f\u007f-\u009f]"; "?");
def padded($width; $right): plain | (" " * ($width - length)) as $gap | if $right then ($gap // "") + . else . + ($gap // "") end;
def table:
  . as $t
  | [.columns | to_entries[] | .key as $i | [.value.name, ($t.cells[] | .[$i])] | map(plain | length) | max] as $widths
  | ([$t.columns | map(.name)] + $t.cells)[]
  | [to_entries[] | .key as $i | .value | padded($widths[$i]; $t.columns[$i].number)] | "  " + join("  ") | sub(" +$"; "");
def block: filled | "", (text("section." + .key) | ascii_upcase), (.note // empty | "  " + .), table;
"\(text("report." + period_detail.kind)): \(title | capital)",
("\(place), \(span)" | plain),
(if period_detail.complete then empty else text("incomplete") end),
(if has_data then empty else "", text("no_data") end),
((totals_table, busiest_table, top_table, lists[], week_table, station_table, overlap_table, weather_table, quality_table,
  system_table) | block)
