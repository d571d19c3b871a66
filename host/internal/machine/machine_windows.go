package machine

func FileLimit() (uint64, bool) { return 0, false }
