jfr_sample > app.jfr
profcore events app.jfr
profcore events - < app.jfr | head -n 4
gzip -c app.jfr | profcore events - | grep events
