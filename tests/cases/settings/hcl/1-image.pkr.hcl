source "vsphere-iso" "x" {
}
