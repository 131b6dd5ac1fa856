package qcow2

// Extent returns how many bytes of the disk from off are alike, and whether
// they read as zeros because the image has nothing there.
func (q *Image) Extent(off int64) (length int64, zero bool, err error) {
	h := q.header
	cluster, inside := off>>h.clusterBits, off&(h.clusterSize()-1)
	table, err := h.l2Offset(q.l1, cluster/h.l2Entries())
	if err != nil {
		return 0, false, err
	}
	if table == 0 {
		next := (cluster/h.l2Entries() + 1) * h.l2Entries() << h.clusterBits
		return next - off, true, nil
	}
	entry, err := q.entry(cluster)
	if err != nil {
		return 0, false, err
	}
	s, err := h.decode(entry, inside)
	if s.kind == stretchCompressed {
		return h.clusterSize() - inside, false, err
	}
	return s.length, s.kind == stretchZero, err
}
