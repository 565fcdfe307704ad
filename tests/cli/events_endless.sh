# 2^100 values in an event, by references: shown as far as is sane, the events around it whole.
jfr_sample circle > circle.jfr
profcore events circle.jfr --json | cut -c 1-60
