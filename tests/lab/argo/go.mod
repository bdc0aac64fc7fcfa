// Where the tests get Argo's own CRD schemas from: the module's files, verified by go.sum. Nothing is compiled here.
module herasphere/tests/lab/argo

go 1.24

require github.com/argoproj/argo-workflows/v4 v4.0.2
