// Package selinux reads the file contexts of an SELinux policy and tells which
// label a path has: the part of libselinux that setfiles and libostree use, and
// nothing of the kernel's side.
//
//	root, err := os.OpenRoot("rootfs")
//	…
//	policy, err := selinux.Load(root.FS())
//	…
//	context, ok := policy.Label("/usr/bin/bash", 0o100755)
//	// "system_u:object_r:shell_exec_t:s0"
//
// # What is read
//
// The file config of the directory selinux says whether there is a policy
// (SELINUX) and which (SELINUXTYPE, the name of a directory). In that, below
// contexts/files, lie
//
//   - file_contexts, file_contexts.homedirs and file_contexts.local, the last two
//     only where they exist: a specification a line, which is a regular expression
//     for whole paths, perhaps a type of file (-- regular, -d directory, -l symlink,
//     -c and -b devices, -p pipe, -s socket), and a context or <<none>>;
//   - file_contexts.subs_dist and file_contexts.subs: two paths a line, of which the
//     first and what is below it is labelled as the second.
//
// The compiled forms, file_contexts.bin and so on, hold the same and are not read.
//
// # Which specification counts
//
// As in libselinux, of all that match the last one, where those that are plain
// paths, without an unescaped one of . ^ $ ? * + | [ ( {, come after all others.
// <<none>> and no match are the same, no label.
//
// Expressions are in the syntax of PCRE and apply to bytes. They are translated to
// that of package regexp. The same paths match; what can't be said there
// (backreferences, looking around, possessive quantifiers) is an error that names
// file and line. An expression is compiled when it is first needed; an index by the
// literal text that expressions begin with, and the literal text further on, keep
// most of them from being tried.
//
// Sources of these facts: the manual pages selabel_file(5), file_contexts(5) and
// selinux_config(5), and libselinux 3.4, with which the tests compare.
package selinux
