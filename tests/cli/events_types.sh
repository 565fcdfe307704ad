jfr_sample > app.jfr
profcore events app.jfr --types
profcore events app.jfr --types --type CPULoad
