/*
 * segment-file.c - what a segment's file is before LMDB appends to it: grown as it goes,
 * reserved, written with zeros beforehand, or an expired one used again.
 *
 * Promises: every function leaves the file in the state it names on the disk (fsynced)
 * when it returns, and each result opens as an empty LMDB environment; nothing here runs
 * while LMDB has the file open.
 * Used by: segments.c, partly from its prewriting thread.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define META_PAGES 2
#define ZERO_BLOCK (1u << 20)
/* Zeros in flight before the kernel is told to start writing them: without this the whole
 * gigabyte would gather as dirty pages and hit the disk in one burst at the fsync. */
#define ZERO_WINDOW (8u << 20)

static const char *const mode_names[] = {
	"growing", "allocated", "prewritten", "ahead", "recycled",
};

file_mode parse_file_mode(const char *text)
{
	for (size_t mode = 0; mode < sizeof mode_names / sizeof *mode_names; mode++)
		if (!strcmp(text, mode_names[mode]))
			return (file_mode)mode;
	die("--file is one of growing, allocated, prewritten, ahead, recycled, not \"%s\"", text);
}

const char *file_mode_name(file_mode mode)
{
	return mode_names[mode];
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0666);
	if (fd < 0)
		die_errno(path);
	return fd;
}

static void write_fully(int fd, const void *data, size_t length, off_t offset)
{
	const uint8_t *from = data;
	while (length) {
		ssize_t written = pwrite(fd, from, length, offset);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			die_errno("pwrite");
		from += written;
		offset += written;
		length -= (size_t)written;
	}
}

static void sync_and_close(int fd)
{
	if (fdatasync(fd))
		die_errno("fdatasync");
	close(fd);
}

static size_t meta_bytes(void)
{
	return META_PAGES * (size_t)sysconf(_SC_PAGESIZE);
}

void lmdb_check(int rc, const char *what)
{
	if (rc)
		die("%s: %s", what, mdb_strerror(rc));
}

MDB_env *environment_open(const char *path, uint64_t map_bytes, unsigned flags)
{
	MDB_env *env;
	lmdb_check(mdb_env_create(&env), "mdb_env_create");
	lmdb_check(mdb_env_set_mapsize(env, map_bytes), "mdb_env_set_mapsize");
	lmdb_check(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOTLS | flags, 0666), path);
	return env;
}

uint64_t environment_bytes(MDB_env *env)
{
	MDB_envinfo info;
	lmdb_check(mdb_env_info(env, &info), "mdb_env_info");
	return (info.me_last_pgno + 1) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* No lock file: nobody else can know the path yet. */
static void create_environment(const char *path, uint64_t map_bytes)
{
	mdb_env_close(environment_open(path, map_bytes, MDB_NOLOCK));
}

void file_allocate(const char *path, uint64_t bytes)
{
	create_environment(path, bytes);
	int fd = open_or_die(path, O_RDWR);
	if (fallocate(fd, 0, 0, (off_t)bytes))
		die_errno("fallocate");
	sync_and_close(fd);
}

void file_prewrite(const char *path, uint64_t bytes)
{
	static const uint8_t zeros[ZERO_BLOCK];
	create_environment(path, bytes);
	int fd = open_or_die(path, O_RDWR);
	uint64_t started = meta_bytes();
	for (uint64_t at = meta_bytes(); at < bytes;) {
		if (bench_interrupted)
			break;
		size_t length = bytes - at < ZERO_BLOCK ? (size_t)(bytes - at) : ZERO_BLOCK;
		write_fully(fd, zeros, length, (off_t)at);
		at += length;
		if (at - started >= ZERO_WINDOW) {
			sync_file_range(fd, (off_t)started, (off_t)(at - started),
				SYNC_FILE_RANGE_WRITE);
			started = at;
		}
	}
	sync_and_close(fd);
}

void file_recycle(const char *path, uint64_t map_bytes)
{
	char template[PATH_BYTES + 16];
	snprintf(template, sizeof template, "%s.template", path);
	create_environment(template, map_bytes);

	/* Both whole pages are replaced, not only the two structures LMDB reads by default:
	 * with MDB_OVERLAPPINGSYNC, lmdb-js keeps a third meta in the second half of page 0,
	 * and one left from the file's earlier life would carry a higher transaction id than
	 * any commit of the new life and win at the next open. */
	size_t length = meta_bytes();
	uint8_t *pages = malloc(length);
	int from = open_or_die(template, O_RDONLY);
	if (!pages || pread(from, pages, length, 0) != (ssize_t)length)
		die("%s is no whole environment", template);
	close(from);
	file_remove(template);

	int to = open_or_die(path, O_RDWR);
	write_fully(to, pages, length, 0);
	free(pages);
	sync_and_close(to);
}

void file_remove(const char *path)
{
	if (unlink(path) && errno != ENOENT)
		die_errno(path);
}

void file_rename(const char *from, const char *to)
{
	if (rename(from, to))
		die_errno(from);
}
