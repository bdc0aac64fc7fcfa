package main

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"unicode/utf16"
)

// GUIDs as they stand on the disk: the first three groups are little-endian.
var (
	typeSystem = guid{0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b}
	typeOSData = guid{0x39, 0xea, 0xb2, 0x4e, 0x55, 0x78, 0x90, 0x47, 0xa7, 0x9e, 0xfa, 0xe4, 0x95, 0xe2, 0x1f, 0x8d}
	typeVmfs   = guid{0x2a, 0xe0, 0x31, 0xaa, 0x0f, 0x40, 0xdb, 0x11, 0x95, 0x90, 0x00, 0x0c, 0x29, 0x11, 0xd1, 0xb8}
)

type guid [16]byte

const (
	sectorBytes   = 512
	tableEntries  = 128
	tableSectors  = tableEntries * 128 / sectorBytes
	legacyBoot    = 1 << 2 // gptmbr.bin starts the partition with this attribute
	gptHeaderSize = 92
)

// A Partition is one entry of a GUID partition table.
type Partition struct {
	Number    int // 1 is the first entry
	Type      guid
	First     uint64 // sector
	Last      uint64
	Bootable  bool
	ShortName string
}

type gptEntry struct {
	Type, ID    guid
	First, Last uint64
	Attributes  uint64
	Name        [36]uint16
}

type gptHeader struct {
	Signature               [8]byte
	Revision, Size          uint32
	HeaderCRC, Reserved     uint32
	This, Other             uint64
	FirstUsable, LastUsable uint64
	Disk                    guid
	Table                   uint64
	Entries, EntrySize      uint32
	TableCRC                uint32
}

// writePartitions puts a GUID partition table with both copies and a protective MBR with this boot code on the disk.
func writePartitions(device string, diskBytes int64, bootCode []byte, partitions []Partition) error {
	entries := make([]gptEntry, tableEntries)
	for _, partition := range partitions {
		entry := gptEntry{Type: partition.Type, ID: randomGUID(), First: partition.First, Last: partition.Last}
		if partition.Bootable {
			entry.Attributes = legacyBoot
		}
		copy(entry.Name[:], utf16.Encode([]rune(partition.ShortName)))
		entries[partition.Number-1] = entry
	}
	var table bytes.Buffer
	if err := binary.Write(&table, binary.LittleEndian, entries); err != nil {
		return err
	}
	last := uint64(diskBytes/sectorBytes) - 1
	disk := randomGUID()
	primary := newHeader(disk, 1, last, 2, last, table.Bytes())
	backup := newHeader(disk, last, 1, last-tableSectors, last, table.Bytes())
	file, err := os.OpenFile(device, os.O_WRONLY|os.O_SYNC, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, part := range []struct {
		sector uint64
		data   []byte
	}{
		{0, protectiveMBR(bootCode, last)}, {1, primary}, {2, table.Bytes()},
		{last - tableSectors, table.Bytes()}, {last, backup},
	} {
		if _, err := file.WriteAt(part.data, int64(part.sector*sectorBytes)); err != nil {
			return fmt.Errorf("partition table: %w", err)
		}
	}
	return nil
}

func newHeader(disk guid, this, other, tableAt, last uint64, table []byte) []byte {
	header := gptHeader{
		Signature: [8]byte([]byte("EFI PART")), Revision: 0x10000, Size: gptHeaderSize, This: this, Other: other,
		FirstUsable: 2 + tableSectors, LastUsable: last - tableSectors - 1, Disk: disk, Table: tableAt,
		Entries: tableEntries, EntrySize: 128, TableCRC: crc32.ChecksumIEEE(table),
	}
	header.HeaderCRC = crc32.ChecksumIEEE(encode(header)[:gptHeaderSize])
	return encode(header)
}

// encode fills one sector.
func encode(header gptHeader) []byte {
	var buffer bytes.Buffer
	_ = binary.Write(&buffer, binary.LittleEndian, header)
	return append(buffer.Bytes(), make([]byte, sectorBytes-buffer.Len())...)
}

func protectiveMBR(bootCode []byte, last uint64) []byte {
	sector := make([]byte, sectorBytes)
	copy(sector[:440], bootCode)
	entry := sector[446:462]
	copy(entry, []byte{0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0})
	binary.LittleEndian.PutUint32(entry[12:], uint32(min(last, 0xffffffff)))
	sector[510], sector[511] = 0x55, 0xaa
	return sector
}

// readPartitions reads the primary table; a disk without one has no partitions.
func readPartitions(device string) ([]Partition, error) {
	file, err := os.Open(device)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	start := make([]byte, (2+tableSectors)*sectorBytes)
	if _, err := file.ReadAt(start, 0); err != nil {
		return nil, err
	}
	if string(start[sectorBytes:sectorBytes+8]) != "EFI PART" {
		return nil, nil
	}
	entries := make([]gptEntry, tableEntries)
	if err := binary.Read(bytes.NewReader(start[2*sectorBytes:]), binary.LittleEndian, entries); err != nil {
		return nil, err
	}
	var partitions []Partition
	for index, entry := range entries {
		if entry.Type != (guid{}) {
			partitions = append(partitions, Partition{Number: index + 1, Type: entry.Type, First: entry.First, Last: entry.Last})
		}
	}
	return partitions, nil
}

func randomGUID() guid {
	var id guid
	_, _ = rand.Read(id[:])
	id[7], id[8] = id[7]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}
