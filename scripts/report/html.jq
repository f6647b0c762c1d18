# One page that needs nothing else: no script, no network, and the policy says so to the browser. Charts are put in place of
# the lines @@NAME@@ afterwards; all that comes from data stands inside a line and is escaped.
def plain: gsub("[\u0000-\u001f\u007f-\u009f]"; " ");
def escaped: plain | @html;
def cell($name; $number): if $number then "<td class=\"n\">\(escaped)</td>"
  elif $name == text("scientific") then "<td class=\"latin\">\(escaped)</td>" else "<td>\(escaped)</td>" end;
def table($class):
  .columns as $columns
  | "<div class=\"scroll\"><table\(if $class == "" then "" else " class=\"\($class)\"" end)><thead><tr>"
    + ([$columns[] | "<th scope=\"col\"\(if .number then " class=\"n\"" elif .name == text("scientific") then " class=\"latin\"" else "" end)>\(.name | escaped)</th>"] | add)
    + "</tr></thead><tbody>",
    (.cells[] | "<tr>" + ([to_entries[] | .key as $i | .value | cell($columns[$i].name; $columns[$i].number)] | add) + "</tr>"),
    "</tbody></table></div>";
def section_start($key; $note):
  "<section aria-labelledby=\"\($key)\"><h2 id=\"\($key)\">\(text("section." + $key) | escaped)</h2>",
  (if $note == null then empty else "<p class=\"note\">\($note | escaped)</p>" end);
def section: filled | section_start(.key; .note), table(""), "</section>";
def chart($name; $alt):
  ("wide", "narrow") | . as $size
  | "<div class=\"\($size)\" role=\"img\" aria-label=\"\($alt | escaped)\">", "@@\($name)_\($size)@@", "</div>";
def behind($class): "<details><summary>\(text("table") | escaped)</summary>", table($class), "</details></figure>";
def scale($most): "<p class=\"key\"><span>\(text("less")) "
  + ([range(7) | "<i style=\"background:var(--h\(.))\"></i>"] | add) + " \(text("more"))</span><span>\(text("most")): \($most | number)</span></p>";
def change: if . == null then empty else "<span class=\"\(if . < 0 then "down" elif . > 0 then "up" else "even" end)\">\(signed | escaped)</span>" end;
def card: "<div class=\"card\"><dt>\(text(.label) | escaped)</dt><dd class=\"big\">\(.value | number)</dd>"
  + (if .detail.change_percent == null then "" else "<dd class=\"small\">\(.detail.change_percent | change) \(text("vs_previous"))</dd>" end)
  + (if .detail.year_ago_change_percent == null then ""
     else "<dd class=\"small\">\(.detail.year_ago_change_percent | change) \(text("vs_year_ago"))</dd>" end) + "</div>";
def moment: "<div class=\"card\"><dt>\(text("busiest." + .label) | escaped)</dt><dd class=\"big words\">"
  + ([(.detail.day // empty | day_month), (if .detail.hour != null then .detail.hour | hour else empty end)] | join(", "))
  + "</dd><dd class=\"small\">\(.value | number) \(text("detections") | ascii_downcase)</dd></div>";
def new_species: rows("new_species") as $new
  | "<div class=\"card\"><dt>\(text("section.new_species") | escaped)</dt><dd class=\"big\">\($new | length | number)</dd>"
    + (if $new == [] then "" else "<dd class=\"small\">\([$new[:3][].label] | join(", ") | escaped)\(if ($new | length) > 3 then ", …" else "" end)</dd>" end)
    + "</div>";
def activity:
  rows("hour_by_day") as $days
  | section_start("activity"; null), "<figure>", chart("activity"; text("alt.activity")),
    scale([$days[].detail.hours[]] | max),
    ({columns: [column("day"), (range(24) | {name: tostring, number: true})],
      cells: [$days[] | [(.label | day_month), (.value as $value | .detail.hours[] | if $value == null then "" else number end)]]}
     | behind("dense")), "</section>";
def calendar:
  rows("hour_by_day") as $days
  | section_start("calendar"; null), "<figure>", chart("calendar"; text("alt.calendar")), scale($days | map(.value) | max),
    ({columns: [column("day"), numeric("detections")], cells: [$days[] | [(.label | date), (.value | number)]]} | behind("")),
    "</section>";
def by_day:
  drawn_stations as $drawn
  | ([rows("by_day")[].detail.station] | unique | length) as $stations
  | section_start("by_day"; text("note.by_day")),
    ($drawn | to_entries[] | .key as $key | .value as $station
     | "<figure><figcaption>\($station | escaped)</figcaption>",
       chart("by_day_\($key)"; "\($station): \(text("alt.by_day"))"),
       "<p class=\"key\"><span><i class=\"line\"></i> \(text("detections"))</span><span><i class=\"dashed\"></i> \(text("usual"))</span></p>",
       ({columns: [column("day"), numeric("detections"), numeric("usual"), numeric("species")],
         cells: [rows("by_day")[] | select(.detail.station == $station)
                 | [(.label | date), (.value | number), (.detail.usual | number), (.detail.species | number)]]} | behind(""))),
    (if $stations > ($drawn | length) then "<p class=\"note\">\(text("note.stations_left_out") | escaped)</p>" else empty end),
    "</section>";
def species: section_start("top_species"; null), "<figure>", chart("top_species"; text("alt.top_species")), (top_table | behind("")), "</section>";
"<!DOCTYPE html>",
"<html lang=\"\(text("lang"))\">",
"<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
"<meta name=\"color-scheme\" content=\"light dark\">",
"<title>\("\(text("report." + period_detail.kind)): \(title), \(place)" | escaped)</title>",
"<style>", "@@style@@", "</style></head>",
"<body><header><p class=\"brand\">\("\(text("brand")) · \(text("report." + period_detail.kind))" | escaped)</p>",
"<h1>\(title | capital | escaped)</h1><p class=\"where\">\("\(place) · \(span)" | escaped)</p>",
(if period_detail.complete then empty else "<p class=\"notice\">\(text("incomplete") | escaped)</p>" end),
(if has_data then empty else "<p class=\"notice\">\(text("no_data") | escaped)</p>" end),
"</header><main>",
"<dl class=\"cards\" aria-label=\"\(text("section.totals"))\">\([rows("totals")[] | card] | add)\([rows("busiest")[] | moment] | add // "")\(new_species)</dl>",
(if has_data then activity, calendar, by_day, species else empty end),
((lists[], week_table, station_table, overlap_table, weather_table, quality_table, system_table) | section),
"</main><footer><p>\("\(text("made")) \($report.made | .[:10] | date), \($report.made | .[11:16]) UTC · \(text("explained"))" | escaped)</p></footer></body></html>"
