package main

import "fmt"

// hid has QEMU's name of each key by its usage in the HID table of keyboards (page 7), for a US layout.
var hid = map[int32]string{
	0x28: "ret", 0x29: "esc", 0x2a: "backspace", 0x2b: "tab", 0x2c: "spc", 0x2d: "minus", 0x2e: "equal",
	0x2f: "bracket_left", 0x30: "bracket_right", 0x31: "backslash", 0x33: "semicolon", 0x34: "apostrophe",
	0x35: "grave_accent", 0x36: "comma", 0x37: "dot", 0x38: "slash", 0x39: "caps_lock", 0x46: "print",
	0x47: "scroll_lock", 0x48: "pause", 0x49: "insert", 0x4a: "home", 0x4b: "pgup", 0x4c: "delete", 0x4d: "end",
	0x4e: "pgdn", 0x4f: "right", 0x50: "left", 0x51: "down", 0x52: "up", 0x65: "menu",
	0xe0: "ctrl", 0xe1: "shift", 0xe2: "alt", 0xe3: "meta_l",
	0xe4: "ctrl_r", 0xe5: "shift_r", 0xe6: "alt_r", 0xe7: "meta_r",
	0x27: "0",
}

func init() {
	for i := range int32(26) {
		hid[0x04+i] = string('a' + i)
	}
	for i := range int32(9) {
		hid[0x1e+i] = string('1' + i)
	}
	for i := range int32(12) {
		hid[0x3a+i] = fmt.Sprintf("f%d", i+1)
	}
}
