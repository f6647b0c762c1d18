# shellcheck shell=bash
# A report as one page of HTML, to be sourced by emsn-report:
#
#   make_page DOCUMENT FOLDER   prints the page of the report in the file DOCUMENT; FOLDER is empty and takes what is in
#                               between
#
# gnuplot draws, twice: for wide and for narrow screens. Its colours become variables of the page, so that the charts
# follow the reader's choice of light or dark; see scripts/report/charts.jq and page.css.

report_folder=$EMSN_ROOT/scripts/report

draw() { # CHART VARIABLES
    local size wide name=$1
    for size in wide narrow; do
        [[ $size == wide ]] && wide=1 || wide=0
        gnuplot -e "data = '$folder/data'; wide = $wide; $2" "$report_folder/${name%_[0-9]*}.gp" >"$folder/raw.svg" 2>"$folder/gnuplot.err" || {
            cat "$folder/gnuplot.err" >&2
            return 1
        }
        # what a reader does not see goes: the prologue, names, empty groups, definitions
        sed -nE -e '/<defs>/,/<\/defs>/ d; /<\?xml|<title>Gnuplot|<desc>|xmlns:xlink/ d' \
            -e 's/<title>.*<\/title>//; s/ id=.gnuplot_[a-z0-9_]*.//g; s/^[[:space:]]+//' \
            -e 's/rgb\( *1, *1, *1\)/var(--ink)/g; s/ color="[a-z]*"//g; s/rgb\( *2, *2, *2\)/var(--grid)/g' \
            -e 's/rgb\( *10, *0, *([0-9])\)/var(--s\1)/g; s/rgb\( *11, *0, *([0-9])\)/var(--h\1)/g' \
            -e 's/rgb\( *12, *0, *[0-3]\)/var(--on-pale)/g; s/rgb\( *12, *0, *[4-6]\)/var(--on-deep)/g' \
            -e 's/ = '"'"'/='"'"'/g; /^$/ d; p' "$folder/raw.svg" |
            sed -zE 's/<g [^>]*>\n<\/g>\n//g' >"$folder/$1_$size.svg" || return
    done
}

make_page() { # DOCUMENT FOLDER
    local document=$1 folder=$2 days weeks bars most stations number
    cat "$report_folder/common.jq" "$report_folder/charts.jq" >"$folder/charts.jq"
    cat "$report_folder/common.jq" "$report_folder/html.jq" >"$folder/html.jq"
    mkdir "$folder/data"
    jq -r -f "$folder/charts.jq" "$document" | awk -F '\t' -v folder="$folder/data" \
        '{ file = folder "/" $1; sub(/^[^\t]*\t/, ""); print > file }' || return
    read -r days weeks bars most stations < <(jq -r '.rows as $rows | [$rows[] | select(.section == "top_species")] as $top
        | [($rows[] | select(.section == "hour_by_day") | .position)] as $days
        | ($rows[] | select(.section == "period") | .detail.first_day | strptime("%Y-%m-%d") | mktime | gmtime[6]) as $first
        | [($days | length), (($days | length) + ($first + 6) % 7 + 6) / 7, ($top | length), ($top[0].value // 0),
           ([$rows[] | select(.section == "by_day") | .detail.station] | unique | length)] | map(floor) | join(" ")' "$document")
    if ((bars > 0)); then
        draw activity "days = $days" && draw calendar "weeks = $weeks" && draw top_species "bars = $bars; most = $most" || return
        for ((number = 0; number < stations && number < 6; number++)); do
            draw "by_day_$number" "days = $days; number = $number" || return
        done
    fi
    cp "$report_folder/page.css" "$folder/style.svg"
    jq -r -f "$folder/html.jq" "$document" | awk -v folder="$folder" '
        /^@@[a-z_0-9]+@@$/ {
            file = folder "/" substr($0, 3, length($0) - 4) ".svg"
            while ((got = (getline line < file)) > 0) print line
            if (got < 0) exit 1
            close(file)
            next
        }
        { print }'
}
