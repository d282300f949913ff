package linuxfs

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// verityBlockSize is the size in bytes of the blocks of a file that the hash tree
// of fs-verity begins with.
const verityBlockSize = 4096

// EnableVerity makes the file immutable and has the kernel verify what is read of
// it (ioctl FS_IOC_ENABLE_VERITY: SHA-256, blocks of 4096 bytes, no salt, no
// signature). The file has to be open for reading only, here and everywhere. For
// one that is verified already this is no error. It returns an error that is
// errors.ErrUnsupported where kernel or file system can't.
func EnableVerity(f *os.File) error {
	arg := unix.FsverityEnableArg{Version: 1, Hash_algorithm: unix.FS_VERITY_HASH_ALG_SHA256, Block_size: verityBlockSize}
	return verityError("FS_IOC_ENABLE_VERITY", ioctl(f, unix.FS_IOC_ENABLE_VERITY, unsafe.Pointer(&arg)))
}

// fsverityDigest is struct fsverity_digest of linux/fsverity.h, with room for SHA-256.
type fsverityDigest struct {
	algorithm, size uint16
	digest          [32]byte
}

// MeasureVerity returns the digest under which the kernel verifies the file, 32
// bytes of SHA-256. It returns an error that is errors.ErrUnsupported when it does
// not verify it.
func MeasureVerity(f *os.File) ([]byte, error) {
	d := fsverityDigest{size: uint16(len(fsverityDigest{}.digest))}
	err := ioctl(f, unix.FS_IOC_MEASURE_VERITY, unsafe.Pointer(&d))
	if err == unix.ENODATA {
		return nil, errors.ErrUnsupported
	}
	if err := verityError("FS_IOC_MEASURE_VERITY", err); err != nil {
		return nil, err
	}
	if d.algorithm != unix.FS_VERITY_HASH_ALG_SHA256 {
		return nil, fmt.Errorf("fs-verity with hash algorithm %d", d.algorithm)
	}
	return d.digest[:], nil
}

func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

func verityError(call string, err error) error {
	switch err {
	case nil, unix.EEXIST:
		return nil
	case unix.ENOTTY, unix.EOPNOTSUPP:
		return errors.ErrUnsupported
	}
	return fmt.Errorf("ioctl(%s): %w", call, err)
}
