package vmdk

import "sort"

// Extent returns how many bytes of the disk from off are alike, and whether
// they read as zeros because the image has nothing there.
func (i *Image) Extent(off int64) (length int64, zero bool, err error) {
	if known, ok := i.ReaderAt.(interface {
		Extent(off int64) (int64, bool, error)
	}); ok {
		return known.Extent(off)
	}
	return i.size - off, false, nil
}

// Extent is that of the part in which off lies.
func (e *extents) Extent(off int64) (length int64, zero bool, err error) {
	i := sort.Search(len(e.parts), func(i int) bool { return e.parts[i].start+e.parts[i].size > off })
	found := e.parts[i]
	left := found.start + found.size - off
	switch r := found.ReaderAt.(type) {
	case *sparse:
		length, zero, err = r.Extent(off - found.start)
		return min(length, left), zero, err
	case zeros:
		return left, true, nil
	}
	return left, false, nil
}

// Extent is that of one grain, or of all grains of a table that is not there.
func (s *sparse) Extent(off int64) (length int64, zero bool, err error) {
	grainSize := s.header.grainSize()
	grain, perTable := off/grainSize, int64(s.header.tableEntries)
	table, err := s.table(grain / perTable)
	if err != nil {
		return 0, false, err
	}
	if table == nil {
		return (grain/perTable+1)*perTable*grainSize - off, true, nil
	}
	sector, err := s.sector(grain)
	return grainSize - off%grainSize, s.empty(sector), err
}
