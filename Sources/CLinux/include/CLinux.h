// What Swift cannot see of Linux by itself. Nothing here decides anything: headers that the Glibc module leaves out, and
// wrappers for calls that need _GNU_SOURCE (Swift compiles Glibc without it) or function-like macros (never imported).
#ifndef CLINUX_H
#define CLINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Headers that are not part of the Glibc module.
#include <linux/filter.h>    // sock_filter, sock_fprog, BPF_*, SKF_AD_*: the kernel filter of a packet socket
#include <linux/if_ether.h>  // ETH_P_ALL
#include <linux/if_packet.h> // sockaddr_ll, packet_mreq, PACKET_*, tpacket_stats
#include <linux/sock_diag.h> // SOCK_DIAG_BY_FAMILY
#include <linux/unix_diag.h> // unix_diag_req, unix_diag_msg: whose Unix sockets there are
#include <malloc.h>          // mallopt: what is kept of the memory that was given back
#include <linux/netlink.h>   // sockaddr_nl, nlmsghdr
#include <sys/epoll.h>       // the event loop
#include <sys/eventfd.h>     // waking the loop from the kernel worker
#include <sys/inotify.h>     // files that another program puts in place
#include <sys/signalfd.h>    // signals as readable events
#include <sys/timerfd.h>     // one absolute deadline

/// What the kernel says of the process at the other end of a socket.
struct clinux_credentials {
    int32_t pid;
    uint32_t uid;
    uint32_t gid;
};

/// One netlink datagram's envelope.
struct clinux_netlink_datagram {
    /// The sender's port id; 0 is the kernel.
    uint32_t source_port;
    /// Whether the kernel attached SCM_CREDENTIALS.
    bool has_credentials;
    struct clinux_credentials credentials;
    /// MSG_TRUNC: the datagram was longer than the buffer, and its rest is lost.
    bool truncated;
};

/// accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC; accept4 needs _GNU_SOURCE. -1 and errno on failure.
int clinux_accept(int descriptor);

/// SO_PEERCRED of a connected Unix socket; struct ucred needs _GNU_SOURCE. 0, or -1 and errno.
int clinux_peer_credentials(int descriptor, struct clinux_credentials *credentials);

/// recvmsg(2) on an AF_NETLINK socket; CMSG_* are macros and struct ucred needs _GNU_SOURCE.
/// The length that was read (with MSG_TRUNC in flags: the datagram's own length), or -1 and errno.
ssize_t clinux_receive_netlink(int descriptor, void *buffer, size_t length, int flags,
                               struct clinux_netlink_datagram *datagram);

/// How a frame came to a packet socket.
struct clinux_packet_ingress {
    /// The interface that the frame is on: the socket's own, or a VLAN device above it.
    int32_t interface_index;
    /// PACKET_HOST, PACKET_MULTICAST and so on.
    uint8_t packet_type;
    /// Whether the frame bore a VLAN tag that the kernel has taken off (TP_STATUS_VLAN_VALID).
    bool has_tag;
    /// The tag: priority, DEI and, in the low 12 bits, the VLAN.
    uint16_t tag;
    /// The tag's EtherType; 0 where the kernel does not say.
    uint16_t tag_protocol;
    /// Octets of the frame before a filter cut it.
    uint32_t length;
    /// When the kernel received it, in nanoseconds since 1970 (UTC); 0 without SO_TIMESTAMPNS.
    uint64_t time;
};

/// recvmsg(2) on an AF_PACKET socket with PACKET_AUXDATA; CMSG_* are macros. The length that was read (with MSG_TRUNC in
/// flags: the frame's own length), or -1 and errno.
ssize_t clinux_receive_packet(int descriptor, void *buffer, size_t length, int flags,
                              struct clinux_packet_ingress *ingress);

/// Sends octets as a sealed memfd and nothing else in a datagram, as journald takes entries that are too long for one; memfd_create
/// needs _GNU_SOURCE and CMSG_* are macros. 0, or -1 and errno.
int clinux_send_as_memory(int descriptor, const void *octets, size_t length, int flags);

/// A memfd with some octets, to be read from its beginning, which a program that is run does not inherit; memfd_create needs
/// _GNU_SOURCE. A descriptor, or -1 and errno.
int clinux_memory_file(const void *octets, size_t length);

/// Moves the calling thread into the network namespace of a process; setns needs _GNU_SOURCE. 0, or -1 and errno.
int clinux_enter_network(pid_t process);

/// Names the calling thread as `top -H` and gdb show it (15 bytes at most); pthread_setname_np needs _GNU_SOURCE.
void clinux_name_thread(const char *name);

/// A long option of a program: `--name`, or `--name VALUE`.
struct clinux_option {
    const char *name;
    bool takes_value;
};

/// What the next word of a command line is.
enum clinux_option_kind {
    /// There is none.
    CLINUX_OPTION_END,
    /// An option, with its value where it takes one.
    CLINUX_OPTION_GIVEN,
    /// An option whose value is missing.
    CLINUX_OPTION_WITHOUT_VALUE,
    /// A flag with a value.
    CLINUX_OPTION_TAKES_NO_VALUE,
    /// No option of the program.
    CLINUX_OPTION_UNKNOWN,
    /// Not an option at all.
    CLINUX_OPTION_ARGUMENT,
};

/// Has clinux_next_option begin with the first word.
void clinux_begin_options(void);

/// The next word by getopt_long(3), whose state is that of the process: for one thread. A name may be shortened as long as it is one
/// option's. -h is --help.
///
/// `number` is that of the option; `text` is its value, or the word that is no option of the program.
enum clinux_option_kind clinux_next_option(int count, char **words, const struct clinux_option *options, size_t option_count,
                                           int *number, const char **text);

/// SOL_NETLINK is in bits/socket.h under __USE_MISC only on some versions, so its value is given here.
enum { clinux_sol_netlink = 270 };

/// TC_PRIO_CONTROL of linux/pkt_sched.h, the priority of frames that keep the network itself going.
enum { clinux_priority_control = 7 };

#endif
