package main

import (
	"fmt"

	"github.com/GehirnInc/crypt"
	_ "github.com/GehirnInc/crypt/md5_crypt"
	"github.com/GehirnInc/crypt/sha512_crypt"
)

// checkPassword is ESXi's default rule, passwdqc with min=disabled,disabled,disabled,7,7.
func checkPassword(password string) error {
	classes := map[string]bool{}
	for index, letter := range password {
		switch {
		case letter >= 'a' && letter <= 'z':
			classes["lower"] = true
		case letter >= 'A' && letter <= 'Z':
			classes["upper"] = classes["upper"] || index > 0 // a leading capital does not count
		case letter >= '0' && letter <= '9':
			classes["digit"] = classes["digit"] || index < len(password)-1 // nor does a digit at the end
		default:
			classes["other"] = true
		}
	}
	count := 0
	for _, present := range classes {
		if present {
			count++
		}
	}
	if len(password) < 7 || count < 3 {
		return fmt.Errorf("weak password: 7 characters of 3 classes are needed")
	}
	return nil
}

func hashPassword(password string) (string, error) {
	return sha512_crypt.New().Generate([]byte(password), nil)
}

func passwordMatches(hash, password string) bool {
	return crypt.IsHashSupported(hash) && crypt.NewFromHash(hash).Verify(hash, []byte(password)) == nil
}
