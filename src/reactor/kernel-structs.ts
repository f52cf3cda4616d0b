/** Constants and struct offsets of Linux, named as in its headers. Little-endian, 64 bits: the only kind that we run on.
 *  linux/io_uring.h, sys/epoll.h, sys/socket.h, netinet/tcp.h. */

// socket(2), socket(7)
export const AF_UNSPEC = 0;
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
export const SOCK_NONBLOCK = 0x800;
export const SOCK_CLOEXEC = 0x80000;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_KEEPALIVE = 9;
export const MSG_DONTWAIT = 0x40;
export const MSG_WAITALL = 0x100;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;
export const SCM_RIGHTS = 1;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;

// tcp(7)
export const IPPROTO_TCP = 6;
export const TCP_NODELAY = 1;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_USER_TIMEOUT = 18;

// ipv6(7)
export const IPPROTO_IPV6 = 41;
export const IPV6_V6ONLY = 26;

// eventfd(2)
export const EFD_NONBLOCK = 0x800;
export const EFD_CLOEXEC = 0x80000;

/** struct iovec and struct msghdr, in 32-bit words. */
export const IOVEC_WORDS = 4;
export const IOVEC_BYTES = 16;
export const MSGHDR_WORDS = 14;
export const MSGHDR_BYTES = 56;
/** struct cmsghdr with one descriptor: its length, and with what aligns the next. cmsg(3). */
export const CMSG_LENGTH = 20;
export const CMSG_BYTES = 24;

// epoll(7)
export const EPOLL_CLOEXEC = 0x80000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
/** poll(2); the same bits. */
export const POLLERR = 0x8;
export const POLLHUP = 0x10;
export const POLLRDHUP = 0x2000;
/** struct epoll_event is packed on x86-64 and only there. */
export const EPOLL_EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
export const EPOLL_EVENT_DATA_AT = process.arch === 'x64' ? 4 : 8;

// io_submit(2), linux/aio_abi.h, and fs/aio.c for the ring. Offsets in 32-bit words.
export const enum AioOp {
  Pread = 0,
  Pwrite = 1,
  Pwritev = 8,
}
export const IOCB_BYTES = 64;
export const IOCB_OP_AT = 4;
export const IOCB_FD_AT = 5;
export const IOCB_BUFFER_AT = 6;
export const IOCB_LENGTH_AT = 8;
export const AIO_RING_BYTES = 32;
export const AIO_RING_SIZE_AT = 1;
export const AIO_RING_HEAD_AT = 2;
export const AIO_RING_TAIL_AT = 3;
export const AIO_RING_MAGIC_AT = 4;
export const AIO_RING_MAGIC = 0xa10a10a1 | 0;
export const IO_EVENT_BYTES = 32;
export const IO_EVENT_RESULT_AT = 4;

// io_uring_setup(2)
export const IORING_SETUP_CQSIZE = 1 << 3;
export const IORING_SETUP_COOP_TASKRUN = 1 << 8; // 5.19
export const IORING_SETUP_SINGLE_ISSUER = 1 << 12; // 6.0
export const IORING_SETUP_DEFER_TASKRUN = 1 << 13; // 6.1
export const IORING_SETUP_NO_SQARRAY = 1 << 16; // 6.6
export const IORING_FEAT_SINGLE_MMAP = 1 << 0;
export const IORING_FEAT_NODROP = 1 << 1;
export const IORING_FEAT_SUBMIT_STABLE = 1 << 2;
export const IORING_FEAT_EXT_ARG = 1 << 8; // 5.11
export const IORING_OFF_SQES = 0x10000000;

/** struct io_uring_params, in 32-bit words. */
export const PARAMS_WORDS = 30;
export const PARAMS_SQ_ENTRIES = 0;
export const PARAMS_CQ_ENTRIES = 1;
export const PARAMS_FLAGS = 2;
export const PARAMS_FEATURES = 5;
export const PARAMS_SQ_OFF_HEAD = 10;
export const PARAMS_SQ_OFF_TAIL = 11;
export const PARAMS_SQ_OFF_ARRAY = 16;
export const PARAMS_CQ_OFF_HEAD = 20;
export const PARAMS_CQ_OFF_TAIL = 21;
export const PARAMS_CQ_OFF_CQES = 25;

// io_uring_enter(2)
export const IORING_ENTER_GETEVENTS = 1 << 0;
export const IORING_ENTER_EXT_ARG = 1 << 3;
/** struct io_uring_getevents_arg, and where its ts stands. */
export const GETEVENTS_ARG_BYTES = 24;
export const GETEVENTS_ARG_TS_AT = 16;

// io_uring_register(2)
export const IORING_REGISTER_PBUF_RING = 22; // 5.19
export const BUF_REG_BYTES = 40;
/** struct io_uring_buf, and the ring's tail that shares the first one's memory. */
export const IO_URING_BUF_BYTES = 16;

/** struct io_uring_sqe and io_uring_cqe, in 32-bit words. */
export const SQE_WORDS = 16;
export const SQE_BYTES = 64;
export const CQE_WORDS = 4;
export const CQE_RESULT_AT = 2;
export const CQE_BYTES = 16;

/** enum io_uring_op. */
export const enum Op {
  Nop = 0,
  PollAdd = 6,
  Sendmsg = 9,
  Accept = 13,
  AsyncCancel = 14,
  Connect = 16,
  Close = 19,
  Read = 22,
  Send = 26,
  Recv = 27,
  Shutdown = 34,
  MsgRing = 40,
}

export const IOSQE_BUFFER_SELECT = 1 << 5;
export const IOSQE_CQE_SKIP_SUCCESS = 1 << 6;
/** In a poll's len: it goes on, and tells of changes rather than of states. */
export const IORING_POLL_ADD_MULTI = 1 << 0;
export const IORING_ACCEPT_MULTISHOT = 1 << 0;
export const IORING_RECV_MULTISHOT = 1 << 1;
export const IORING_ASYNC_CANCEL_ALL = 1 << 0;
export const IORING_ASYNC_CANCEL_FD = 1 << 1;
export const IORING_CQE_F_BUFFER = 1 << 0;
export const IORING_CQE_F_MORE = 1 << 1;
export const IORING_CQE_F_SOCK_NONEMPTY = 1 << 2;
export const IORING_CQE_BUFFER_SHIFT = 16;
