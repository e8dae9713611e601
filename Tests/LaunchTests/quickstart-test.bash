#!/usr/bin/env bash
# launch/quickstart's arguments and refusals, and the sample data. The whole way is for .ci/run.
source "$(dirname -- "${BASH_SOURCE[0]}")/checks.bash"

refuses_missing_data() {
  run "$launch/quickstart" --data "$scratch"
  expect_status 65
  expect_match 'standard error' 'expected 2018-E-c-En-train.txt' "$err"
}

refuses_a_folder_of_others() {
  mkdir -p -- "$scratch/theirs"
  echo precious >"$scratch/theirs/file"
  run "$launch/quickstart" --output "$scratch/theirs"
  expect_status 64
  expect_equal 'their file' precious "$(<"$scratch/theirs/file")"
}

refuses_bad_usage() {
  run "$launch/quickstart" --ranks 0
  expect_status 64
  run "$launch/quickstart" --epochs 3
  expect_status 64
  run "$launch/quickstart" --help
  expect_status 0
  expect_match 'help' 'prediction: LABELS' "$out"
}

sample_is_sound() {
  local file
  for file in train dev; do
    run awk -F '\t' '
      NR == 1 { if (NF != 13 || $1 != "ID" || $2 != "Tweet") print "header"; next }
      NF != 13 { print FNR ": " NF " fields" }
      seen[tolower($2)]++ { print FNR ": twice" }
      ids[$1]++ { print FNR ": ID twice" }
      { for (i = 3; i <= 13; i++) if ($i != "0" && $i != "1") print FNR ": label " $i }
    ' "$launch/sample/$file.txt"
    expect_equal "$file.txt" '' "$out"
  done
  run cut -f 2 "$launch/sample/train.txt" "$launch/sample/dev.txt"
  expect_equal 'texts in both files' Tweet "$(sort <<<"$out" | uniq -d)"
  expect_no_match 'texts with the sentence to predict' 'multi-label|train a model' "$out"
}

test_that 'data that is not there is refused before anything is installed' refuses_missing_data
test_that 'an output folder with other files is refused and left alone' refuses_a_folder_of_others
test_that 'bad usage exits 64' refuses_bad_usage
test_that 'the sample has thirteen fields, 0/1 labels, no row twice, and not the sentence' sample_is_sound
finish
