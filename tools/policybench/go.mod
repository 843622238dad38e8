module github.com/writ-dev/writ/tools/policybench

go 1.26.8

require (
	github.com/google/cel-go v0.26.1
	github.com/open-policy-agent/opa v1.9.0
	github.com/writ-dev/writ v0.0.0
)

replace github.com/writ-dev/writ => ../..
