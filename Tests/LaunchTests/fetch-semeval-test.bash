#!/usr/bin/env bash
# launch/fetch-semeval with zips made here.
source "$(dirname -- "${BASH_SOURCE[0]}")/checks.bash"

unset LOCKSTEP_CACHE

# make_zip FILE HEADER: a zip laid out as the official one is.
make_zip() {
  python3 - "$@" <<'PYTHON'
import sys, zipfile

with zipfile.ZipFile(sys.argv[1], "w") as official:
    for split in ("train", "dev", "test-gold"):
        name = f"SemEval2018-Task1-all-data/English/E-c/2018-E-c-En-{split}.txt"
        official.writestr("__MACOSX/" + name, "resource fork")
        official.writestr(name, sys.argv[2] + f"\n{split}-1\ta \"text\"" + "\t0" * 11 + "\n")
        official.writestr(name.replace("English", "Spanish").replace("-En-", "-Es-"), "otro")
PYTHON
}

header=$'ID\tTweet\tanger\tanticipation\tdisgust\tfear\tjoy\tlove\toptimism\tpessimism\tsadness\tsurprise\ttrust'
make_zip "$scratch/official.zip" "$header"

extracts_the_english_splits() {
  run "$launch/fetch-semeval" --zip "$scratch/official.zip" --output "$scratch/data"
  expect_status 0
  expect_equal 'standard output' "$scratch/data" "$out"
  expect_equal 'files' '2018-E-c-En-dev.txt 2018-E-c-En-test-gold.txt 2018-E-c-En-train.txt' \
    "$(cd "$scratch/data" && ls -A | tr '\n' ' ' | sed 's/ $//')"
  expect_match 'a row' $'^dev-1\ta "text"\t0' "$(tail -n 1 "$scratch/data/2018-E-c-En-dev.txt")"
}

keeps_what_is_there() {
  run "$launch/fetch-semeval" --zip "$scratch/none.zip" --output "$scratch/data"
  expect_status 0
}

fetches_by_url() {
  run "$launch/fetch-semeval" --url "file://${scratch// /%20}/official.zip" --output "$scratch/by-url"
  expect_status 0
  expect_equal 'rows with header' 2 "$(wc -l <"$scratch/by-url/2018-E-c-En-train.txt")"
}

refuses_other_files() {
  make_zip "$scratch/other.zip" $'ID\tText'
  run "$launch/fetch-semeval" --zip "$scratch/other.zip" --output "$scratch/other"
  expect_status 1
  expect_match 'standard error' 'expected the header of the E-c task' "$err"
  printf 'not a zip' >"$scratch/text.zip"
  run "$launch/fetch-semeval" --zip "$scratch/text.zip" --output "$scratch/other"
  expect_status 1
  expect_match 'standard error' 'is not a zip file' "$err"
  (cd "$scratch" && python3 -m zipfile -c empty.zip text.zip)
  run "$launch/fetch-semeval" --zip "$scratch/empty.zip" --output "$scratch/other"
  expect_status 1
  expect_match 'standard error' 'expected an entry that ends in E-c/2018-E-c-En-train.txt' "$err"
  expect_equal 'files left' '' "$(ls -A "$scratch/other")"
}

refuses_bad_usage() {
  run "$launch/fetch-semeval" --zip
  expect_status 64
  run "$launch/fetch-semeval" --zip a --url b
  expect_status 64
}

test_that 'the English splits are extracted under their official names' extracts_the_english_splits
test_that 'splits that are there are kept' keeps_what_is_there
test_that 'the zip is fetched by URL' fetches_by_url
test_that 'a zip of something else is refused and nothing is left' refuses_other_files
test_that 'bad usage exits 64' refuses_bad_usage
finish
