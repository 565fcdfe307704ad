jfr_sample > app.jfr
profcore events app.jfr --type ExecutionSample,test.Values
profcore events app.jfr --type ExecutionSample --stack-depth 2 -n 1
jfr_sample text > text.jfr
profcore events text.jfr --type "$(printf 'test.\033[31mText')"
jfr_sample circle > circle.jfr
profcore events circle.jfr --type test.Circle
