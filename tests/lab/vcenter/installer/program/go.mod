module herasphere/guest

go 1.24.0

require github.com/GehirnInc/crypt v0.0.0-20230320061759-8cc1b52080c5
