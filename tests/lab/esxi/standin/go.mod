module herasphere/standin

go 1.24.0

require (
	github.com/GehirnInc/crypt v0.0.0-20230320061759-8cc1b52080c5
	github.com/vmware/govmomi v0.54.0
)

require github.com/google/uuid v1.6.0 // indirect
