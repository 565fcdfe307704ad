metrics_sample datadog >main.jfr
profcore metrics main.jfr
profcore metrics main.jfr --variant corrected
