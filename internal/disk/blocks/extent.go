package blocks

// Extent returns how many bytes of the disk from off are alike, and whether
// they read as zeros because their block is nowhere.
func (m *Map) Extent(off int64) (length int64, zero bool, err error) {
	offset, err := m.Where(off / m.BlockSize)
	return m.BlockSize - off%m.BlockSize, offset == Nowhere, err
}
