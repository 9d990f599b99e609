/* An echo server as a C programmer writes it by hand for Linux: one thread for each core, each with an epoll instance
 * (level-triggered) and a listener of its own (SO_REUSEPORT). A thread has one buffer, and a connection a few words.
 *
 *   echo ADDRESS PORT THREADS [CONTROL_PORT]
 *
 * Port 0 takes a free one. Bytes that arrive at the control port are a broadcast: the server writes them to every
 * connection and then answers with one byte. That works with one thread only, because the list of connections has no
 * lock. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 64 << 10, EVENTS = 512, BACKLOG = 4096 };

struct conn {
	int fd;
	int kind;           /* LISTENER and so on */
	size_t used, start; /* bytes that wait for the kernel: waiting[start..used) */
	char *waiting;      /* NULL while there are none */
	struct conn *next, *prev;
};

enum { LISTENER, CLIENT, CONTROL_LISTENER, CONTROL_CLIENT };

struct loop {
	int epoll;
	struct conn all; /* head of the ring of this loop's clients */
	char buffer[BUFFER];
};

static void die(const char *what) {
	fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(struct loop *l, struct conn *c, int op, uint32_t events) {
	struct epoll_event e = {.events = events, .data.ptr = c};
	if (epoll_ctl(l->epoll, op, c->fd, &e) < 0)
		die("epoll_ctl");
}

static void closed(struct conn *c) {
	close(c->fd); /* takes it out of the epoll too */
	c->prev->next = c->next;
	c->next->prev = c->prev;
	free(c->waiting);
	free(c);
}

/* send_or_keep writes n bytes after those that wait. It returns -1 when the connection is broken. */
static int send_or_keep(struct loop *l, struct conn *c, const char *p, size_t n) {
	if (!c->waiting) {
		ssize_t w = write(c->fd, p, n);
		if (w == (ssize_t)n)
			return 0;
		if (w < 0 && errno != EAGAIN && errno != EINTR)
			return -1;
		if (w > 0) {
			p += w;
			n -= w;
		}
		watch(l, c, EPOLL_CTL_MOD, EPOLLOUT); /* flush reads it again when no bytes wait */
	}
	char *grown = realloc(c->waiting, c->used + n);
	if (!grown)
		return -1;
	memcpy(grown + c->used, p, n);
	c->waiting = grown;
	c->used += n;
	return 0;
}

/* flush writes the bytes that wait. It returns -1 when the connection is broken. */
static int flush(struct loop *l, struct conn *c) {
	ssize_t w = write(c->fd, c->waiting + c->start, c->used - c->start);
	if (w < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	c->start += w;
	if (c->start == c->used) {
		free(c->waiting);
		c->waiting = NULL;
		c->start = c->used = 0;
		watch(l, c, EPOLL_CTL_MOD, EPOLLIN);
	}
	return 0;
}

static void readable(struct loop *l, struct conn *c) {
	ssize_t n = read(c->fd, l->buffer, BUFFER);
	if (n > 0) {
		if (send_or_keep(l, c, l->buffer, n) < 0)
			closed(c);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		closed(c);
	}
}

/* broadcast sends bytes from a control client to every client of this loop. */
static void broadcast(struct loop *l, struct conn *control) {
	ssize_t n = read(control->fd, l->buffer, BUFFER);
	if (n <= 0) {
		closed(control);
		return;
	}
	for (struct conn *c = l->all.next, *next; c != &l->all; c = next) {
		next = c->next;
		if (c->kind == CLIENT && send_or_keep(l, c, l->buffer, n) < 0)
			shutdown(c->fd, SHUT_RDWR); /* its own event closes it; this batch may have one already */
	}
	if (write(control->fd, "", 1) < 0)
		shutdown(control->fd, SHUT_RDWR);
}

static void accept_all(struct loop *l, struct conn *listener) {
	for (;;) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
				return;
			die("accept4");
		}
		int on = 1;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		struct conn *c = calloc(1, sizeof *c);
		if (!c)
			die("calloc");
		c->fd = fd;
		c->kind = listener->kind == LISTENER ? CLIENT : CONTROL_CLIENT;
		c->next = l->all.next;
		c->prev = &l->all;
		c->next->prev = c->prev->next = c;
		watch(l, c, EPOLL_CTL_ADD, EPOLLIN);
	}
}

static void handle(struct loop *l, struct conn *c) {
	switch (c->kind) {
	case CLIENT:
		if (!c->waiting)
			readable(l, c);
		else if (flush(l, c) < 0)
			closed(c);
		break;
	case CONTROL_CLIENT:
		broadcast(l, c);
		break;
	default:
		accept_all(l, c);
	}
}

static void *run(void *arg) {
	struct loop *l = arg;
	struct epoll_event events[EVENTS];
	for (;;) {
		int n = epoll_wait(l->epoll, events, EVENTS, -1);
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++)
			handle(l, events[i].data.ptr);
	}
	return NULL;
}

/* listen_on gives the loop a listener and returns its port. */
static int listen_on(struct loop *l, int kind, const char *address, int port) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t size = sizeof a;
	int on = 1;
	if (inet_pton(AF_INET, address, &a.sin_addr) != 1) {
		fprintf(stderr, "echo: %s is no IPv4 address\n", address);
		exit(2);
	}
	struct conn *c = calloc(1, sizeof *c);
	if (!c)
		die("calloc");
	c->kind = kind;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    setsockopt(c->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0 ||
	    bind(c->fd, (struct sockaddr *)&a, sizeof a) < 0 ||
	    listen(c->fd, BACKLOG) < 0 || getsockname(c->fd, (struct sockaddr *)&a, &size) < 0)
		die("listen");
	watch(l, c, EPOLL_CTL_ADD, EPOLLIN);
	return ntohs(a.sin_port);
}

static struct loop *new_loop(void) {
	struct loop *l = calloc(1, sizeof *l);
	if (!l || (l->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
		die("epoll_create1");
	l->all.next = l->all.prev = &l->all;
	return l;
}

int main(int argc, char **argv) {
	int threads = argc > 3 ? atoi(argv[3]) : 0;
	if (argc < 4 || argc > 5 || threads < 1 || (argc == 5 && threads != 1)) {
		fprintf(stderr, "usage: echo ADDRESS PORT THREADS [CONTROL_PORT]; "
		                "THREADS is at least 1, and 1 with a CONTROL_PORT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	struct loop *mine = new_loop();
	int port = listen_on(mine, LISTENER, argv[1], atoi(argv[2]));
	for (int i = 1; i < threads; i++) {
		struct loop *l = new_loop();
		pthread_t thread;
		listen_on(l, LISTENER, argv[1], port);
		if (pthread_create(&thread, NULL, run, l) != 0)
			die("pthread_create");
	}
	int control = argc == 5 ? listen_on(mine, CONTROL_LISTENER, argv[1], atoi(argv[4])) : 0;
	printf("listening %s:%d\n", argv[1], port);
	if (control)
		printf("control %s:%d\n", argv[1], control);
	fflush(stdout);
	run(mine);
}
