package partition

// gptTypes names partition types: UEFI specification 2.10, table 5.7;
// Discoverable Partitions Specification; util-linux, include/pt-gpt-partnames.h.
var gptTypes = map[string]string{
	"c12a7328-f81f-11d2-ba4b-00a0c93ec93b": "EFI system",
	"21686148-6449-6e6f-744e-656564454649": "BIOS boot",
	"9e1a2d38-c612-4316-aa26-8b49521e5a8b": "PowerPC PReP boot",
	"bc13c2ff-59e6-4262-a352-b275fd6f7172": "Linux extended boot",
	"0fc63daf-8483-4772-8e79-3d69d8477de4": "Linux filesystem",
	"4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "Linux root (x86-64)",
	"44479540-f297-41b2-9af7-d131d5f0458a": "Linux root (x86)",
	"b921b045-1df0-41c3-af44-4c6f280d3fae": "Linux root (ARM-64)",
	"c31c45e6-3f39-412e-80fb-4809c4980599": "Linux root (PPC64LE)",
	"5eead9a9-fe09-4a1e-a1d7-520d00531306": "Linux root (s390x)",
	"72ec70a6-cf74-40e6-bd49-4bda08e8f224": "Linux root (RISC-V-64)",
	"8484680c-9521-48c6-9c11-b0720656f69e": "Linux /usr (x86-64)",
	"933ac7e1-2eb4-4f13-b844-0e14e2aef915": "Linux home",
	"3b8f8425-20e0-4f3b-907f-1a25a76f98e8": "Linux server data",
	"4d21b016-b534-45c2-a9fb-5c16e091fd2d": "Linux variable data",
	"0657fd6d-a4ab-43c4-84e5-0933c84b4f4f": "Linux swap",
	"e6d6d379-f507-44c2-a23c-238f2a3df928": "Linux LVM",
	"a19d880f-05fc-4d3b-a006-743f0f84911e": "Linux RAID",
	"ca7d7ccb-63ed-4c53-861c-1742536059cc": "Linux LUKS",
	"ebd0a0a2-b9e5-4433-87c0-68b6b72699c7": "Microsoft basic data",
	"e3c9e316-0b5c-4db8-817d-f92df00215ae": "Microsoft reserved",
}

// mbrTypes names partition types: util-linux, include/pt-mbr-partnames.h.
var mbrTypes = map[byte]string{
	0x01:              "FAT12",
	0x04:              "FAT16 <32M",
	typeExtended:      "Extended",
	0x06:              "FAT16",
	0x07:              "HPFS/NTFS/exFAT",
	0x0b:              "W95 FAT32",
	0x0c:              "W95 FAT32 (LBA)",
	0x0e:              "W95 FAT16 (LBA)",
	typeExtendedLBA:   "W95 Extended (LBA)",
	0x41:              "PPC PReP Boot",
	0x82:              "Linux swap",
	0x83:              "Linux filesystem",
	typeExtendedLinux: "Linux extended",
	0x8e:              "Linux LVM",
	typeProtective:    "GPT protective",
	0xef:              "EFI system",
	0xfd:              "Linux RAID autodetect",
}
