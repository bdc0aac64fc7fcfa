package main

import (
	"fmt"
	"strings"
)

// A Kickstart is a parsed KS.CFG. Scripts and commands keep the file's order.
type Kickstart struct {
	Commands []Command
	Scripts  []Script
	Warnings []string
}

// A Command is one line outside of the scripts: its name, --options, and the other words.
type Command struct {
	Name    string
	Options map[string]string
	Words   []string
	Line    int
}

// A Script is the text below %pre, %post or %firstboot.
type Script struct {
	Section string
	Options map[string]string
	Text    string
}

const maxCommands = 256

// parseKickstart reads a kickstart by the rules of ESXi's installer: a script section ends at the next section or
// %include, commands are split like a shell does with # comments, and nothing is said of unknown commands here.
func parseKickstart(text string) (Kickstart, error) {
	var kickstart Kickstart
	var script *Script
	var body []string // of the script; a padded kickstart has 60,000 empty lines, too many to add one by one to a string
	end := func() {
		if script != nil {
			script.Text = strings.Join(body, "\n") + "\n"
		}
		script, body = nil, nil
	}
	for index, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		keyword, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		isSection := keyword == "%pre" || keyword == "%post" || keyword == "%firstboot"
		if script != nil && !isSection && keyword != "%include" && keyword != "include" {
			body = append(body, line)
			continue
		}
		end()
		words, err := splitWords(line)
		if err != nil {
			return kickstart, fmt.Errorf("line %d: %w", index+1, err)
		}
		if len(words) == 0 {
			continue
		}
		command := newCommand(words, index+1)
		if isSection {
			kickstart.Scripts = append(kickstart.Scripts, Script{Section: words[0], Options: command.Options})
			script = &kickstart.Scripts[len(kickstart.Scripts)-1]
			continue
		}
		kickstart.Commands = append(kickstart.Commands, command)
	}
	end()
	if len(kickstart.Commands) > maxCommands {
		return kickstart, fmt.Errorf("%d commands, more than %d", len(kickstart.Commands), maxCommands)
	}
	for _, letter := range text {
		if letter > 126 {
			kickstart.Warnings = append(kickstart.Warnings, "the file has characters which are not ASCII")
			break
		}
	}
	return kickstart, nil
}

func newCommand(words []string, line int) Command {
	command := Command{Name: words[0], Options: map[string]string{}, Line: line}
	for _, word := range words[1:] {
		if strings.HasPrefix(word, "--") {
			name, value, _ := strings.Cut(word[2:], "=")
			command.Options[name] = value
		} else {
			command.Words = append(command.Words, word)
		}
	}
	return command
}

// splitWords splits as Python's shlex does with comments on: # begins a comment even inside a word.
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, quote := false, rune(0)
	letters := []rune(line)
	for i := 0; i < len(letters); i++ {
		letter := letters[i]
		switch {
		case letter == '\\' && quote != '\'':
			if i+1 == len(letters) {
				return nil, fmt.Errorf("no escaped character")
			}
			i++
			if quote == '"' && letters[i] != '"' && letters[i] != '\\' {
				word.WriteRune('\\')
			}
			word.WriteRune(letters[i])
			inWord = true
		case quote != 0 && letter == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(letter)
		case letter == '\'' || letter == '"':
			quote, inWord = letter, true
		case letter == '#':
			i = len(letters)
		case letter == ' ' || letter == '\t' || letter == '\r':
			if inWord {
				words = append(words, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteRune(letter)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("no closing quotation")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
