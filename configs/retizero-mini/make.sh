#!/bin/sh
# Everything between published weights and models/retizero-mini, the embedded default. Run from the repository root, with the
# manifest of the photographs:
#   sh configs/retizero-mini/make.sh ../shared/fundus/metadata.csv
# The weights in models/ came about over several versions of this project; a run today makes their like, not their copy.
set -eu
manifest=$1
recipes=configs/retizero-mini
retizero="${PYTHON:-.venv/bin/python} -m retizero"

# The first tower: three stages and the head, then one more, on four to six kept views of each photograph.
$retizero train pretrain --config $recipes/1-first.yaml --manifest "$manifest"
$retizero train pretrain --config $recipes/2-first-further.yaml --manifest "$manifest"
$retizero train average --model build/mini-1 --model build/mini-2 --share 0.2 --share 0.8 \
  --size 288 --mirror --manifest "$manifest" --out build/mini-first

# The second tower goes on from the first: all stages but one, a new view at every draw.
$retizero train pretrain --config $recipes/3-second.yaml --manifest "$manifest"

# Nothing is left to be chosen: most of the validation patients join; the others calibrate.
$retizero train move-groups --manifest "$manifest" --leave val --join train --share 0.6 --out build/more-train.csv
$retizero train pretrain --config $recipes/4-first-more.yaml --manifest build/more-train.csv
$retizero train pretrain --config $recipes/5-second-more.yaml --manifest build/more-train.csv

$retizero train pair --model build/mini-4 build/mini-5 --size 288 --mirror --manifest build/more-train.csv \
  --out models/retizero-mini
$retizero train familiarity --manifest build/more-train.csv --model models/retizero-mini
make card MANIFEST=build/more-train.csv
