/**
 * How long the head of a request may be: the native side takes 4 KiB, and what the environment says when it is loaded. So
 * this module is to be imported before it, by the files that import it; a longer head is answered with 431.
 */

/** Cookies and tokens fit; the head of one connection costs no more. */
const HEAD_BYTES_MAX = 16 * 1024;

process.env['UWS_HTTP_MAX_HEADERS_SIZE'] ??= String(HEAD_BYTES_MAX);
