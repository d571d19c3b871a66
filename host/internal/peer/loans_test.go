package peer

import (
	"errors"
	"testing"

	"github.com/workerhost/workerhost/host/internal/spool"
)

func TestALoanGrowsInStepsBeyondWhatIsOnesOwn(t *testing.T) {
	disk := spool.New(t.TempDir(), 0, nil)
	disk.LimitMemory(2 * lendStep)
	loan := &loan{spool: disk}
	for _, step := range []struct {
		size int
		lent int64
		err  error
	}{
		{0, 0, nil}, {1, 0, nil}, {65535, 0, nil}, {65536, 0, nil}, {65537, lendStep, nil}, {131072, lendStep, nil},
		{131073, 2 * lendStep, nil},
		{196609, 2 * lendStep, outOfMemory}, {1, 2 * lendStep, nil},
	} {
		if err := loan.cover(step.size); !errors.Is(err, step.err) || loan.lent != step.lent ||
			disk.Memory() != 2*lendStep-step.lent {
			t.Errorf("for %d bytes %d are lent, %v", step.size, loan.lent, err)
		}
	}
	loan.trim(65537)
	if loan.lent != lendStep {
		t.Errorf("65537 bytes need %d", loan.lent)
	}
	repay := loan.handOver(65537)
	loan.repay()
	if disk.Memory() != lendStep || repay == nil {
		t.Error("what was handed over was given back")
	}
	repay()
	if disk.Memory() != 2*lendStep || loan.handOver(1<<20) != nil {
		t.Errorf("%d are to be lent at the end", disk.Memory())
	}
}
