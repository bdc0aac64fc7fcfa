package main

import (
	"errors"
	"strings"
)

var errQuote = errors.New("No closing quotation")

// splitWords is Python's shlex.split with comments, which anaconda reads kickstarts with.
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, quote, escaped := false, rune(0), false
	for _, letter := range line {
		switch {
		case escaped:
			if quote == '"' && letter != '"' && letter != '\\' {
				word.WriteRune('\\')
			}
			word.WriteRune(letter)
			escaped = false
		case letter == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && letter == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(letter)
		case letter == '\'' || letter == '"':
			quote, inWord = letter, true
		case letter == '#' || letter == ' ' || letter == '\t':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
			if letter == '#' {
				return words, nil
			}
		default:
			inWord = true
			word.WriteRune(letter)
		}
	}
	if quote != 0 || escaped {
		return nil, errQuote
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
