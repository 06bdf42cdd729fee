#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

int clinux_accept(int descriptor) {
    return accept4(descriptor, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int clinux_peer_credentials(int descriptor, struct clinux_credentials *credentials) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) {
        return -1;
    }
    *credentials = (struct clinux_credentials){.pid = peer.pid, .uid = peer.uid, .gid = peer.gid};
    return 0;
}

ssize_t clinux_receive_netlink(int descriptor, void *buffer, size_t length, int flags,
                               struct clinux_netlink_datagram *datagram) {
    struct sockaddr_nl source;
    struct iovec vector = {.iov_base = buffer, .iov_len = length};
    // The union aligns the control buffer as cmsg(3) wants it.
    union {
        struct cmsghdr header;
        char octets[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct msghdr message;

    memset(&source, 0, sizeof source);
    memset(&message, 0, sizeof message);
    message.msg_name = &source;
    message.msg_namelen = sizeof source;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;

    ssize_t received = recvmsg(descriptor, &message, flags | MSG_CMSG_CLOEXEC);
    if (received < 0) {
        return -1;
    }
    memset(datagram, 0, sizeof *datagram);
    datagram->source_port = source.nl_pid;
    datagram->truncated = (message.msg_flags & MSG_TRUNC) != 0;
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item != NULL; item = CMSG_NXTHDR(&message, item)) {
        if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_CREDENTIALS &&
            item->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
            struct ucred sender;
            memcpy(&sender, CMSG_DATA(item), sizeof sender);
            datagram->has_credentials = true;
            datagram->credentials =
                (struct clinux_credentials){.pid = sender.pid, .uid = sender.uid, .gid = sender.gid};
        }
    }
    return received;
}

ssize_t clinux_receive_packet(int descriptor, void *buffer, size_t length, int flags,
                              struct clinux_packet_ingress *ingress) {
    struct sockaddr_ll source;
    struct iovec vector = {.iov_base = buffer, .iov_len = length};
    union {
        struct cmsghdr header;
        char octets[CMSG_SPACE(sizeof(struct tpacket_auxdata)) + CMSG_SPACE(sizeof(struct timespec))];
    } control;
    struct msghdr message;

    memset(&source, 0, sizeof source);
    memset(&message, 0, sizeof message);
    message.msg_name = &source;
    message.msg_namelen = sizeof source;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;

    ssize_t received = recvmsg(descriptor, &message, flags);
    if (received < 0) {
        return -1;
    }
    *ingress = (struct clinux_packet_ingress){
        .interface_index = source.sll_ifindex, .packet_type = source.sll_pkttype};
    for (struct cmsghdr *item = CMSG_FIRSTHDR(&message); item != NULL; item = CMSG_NXTHDR(&message, item)) {
        if (item->cmsg_level == SOL_PACKET && item->cmsg_type == PACKET_AUXDATA &&
            item->cmsg_len >= CMSG_LEN(sizeof(struct tpacket_auxdata))) {
            struct tpacket_auxdata auxiliary;
            memcpy(&auxiliary, CMSG_DATA(item), sizeof auxiliary);
            ingress->has_tag = (auxiliary.tp_status & TP_STATUS_VLAN_VALID) != 0;
            ingress->tag = auxiliary.tp_vlan_tci;
            ingress->tag_protocol =
                (auxiliary.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? auxiliary.tp_vlan_tpid : 0;
            ingress->length = auxiliary.tp_len;
        } else if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_TIMESTAMPNS &&
                   item->cmsg_len >= CMSG_LEN(sizeof(struct timespec))) {
            struct timespec time;
            memcpy(&time, CMSG_DATA(item), sizeof time);
            ingress->time = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
        }
    }
    return received;
}

void clinux_name_thread(const char *name) {
    // A name that is too long is refused with ERANGE; a thread without a name still works.
    (void)pthread_setname_np(pthread_self(), name);
}

static int send_descriptor(int descriptor, int sent, int flags) {
    union {
        struct cmsghdr header;
        char octets[CMSG_SPACE(sizeof sent)];
    } control;
    struct msghdr message;

    memset(&control, 0, sizeof control);
    memset(&message, 0, sizeof message);
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *item = CMSG_FIRSTHDR(&message);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof sent);
    memcpy(CMSG_DATA(item), &sent, sizeof sent);
    return sendmsg(descriptor, &message, flags) < 0 ? -1 : 0;
}

int clinux_send_as_memory(int descriptor, const void *octets, size_t length, int flags) {
    int memory = memfd_create("journal-entry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memory < 0) {
        return -1;
    }
    int result = -1;
    ssize_t written = write(memory, octets, length);
    if (written >= 0 && (size_t)written < length) {
        errno = ENOSPC;
    } else if (written >= 0 && fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0) {
        result = send_descriptor(descriptor, memory, flags);
    }
    int code = errno;
    close(memory);
    errno = code;
    return result;
}

int clinux_memory_file(const void *octets, size_t length) {
    int memory = memfd_create("input", MFD_CLOEXEC);
    if (memory < 0) {
        return -1;
    }
    ssize_t written = write(memory, octets, length);
    if (written >= 0 && (size_t)written == length && lseek(memory, 0, SEEK_SET) == 0) {
        return memory;
    }
    int code = written < 0 ? errno : ENOSPC;
    close(memory);
    errno = code;
    return -1;
}

int clinux_enter_network(pid_t process) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)process);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return -1;
    }
    int result = setns(descriptor, CLONE_NEWNET);
    int code = errno;
    close(descriptor);
    errno = code;
    return result;
}

void clinux_begin_options(void) {
    // glibc begins where a 0 stands, and forgets what it knew of other words.
    optind = 0;
    opterr = 0;
}

enum clinux_option_kind clinux_next_option(int count, char **words, const struct clinux_option *options, size_t option_count,
                                           int *number, const char **text) {
    // The values of long options are beyond those of characters.
    enum { first = 256 };
    struct option *all = calloc(option_count + 1, sizeof *all);
    if (all == NULL) {
        abort();
    }
    int help = -1;
    for (size_t at = 0; at < option_count; at++) {
        all[at] = (struct option){.name = options[at].name, .has_arg = options[at].takes_value, .val = first + (int)at};
        if (strcmp(options[at].name, "help") == 0) {
            help = (int)at;
        }
    }
    // 0 before the first word, which is the program's name.
    int at = optind > 0 ? optind : 1;
    // "-": words that are no options are told in their place. ":": a missing value is told apart.
    int found = getopt_long(count, words, "-:h", all, NULL);
    free(all);
    *text = optarg;
    if (found == -1) {
        // What stands behind "--" is no option.
        if (optind < count) {
            *text = words[optind];
            return CLINUX_OPTION_ARGUMENT;
        }
        return CLINUX_OPTION_END;
    }
    if (found == 1) {
        return CLINUX_OPTION_ARGUMENT;
    }
    if (found == 'h' && help >= 0) {
        *number = help;
        return CLINUX_OPTION_GIVEN;
    }
    if (found >= first) {
        *number = found - first;
        return CLINUX_OPTION_GIVEN;
    }
    if (optopt >= first) {
        *number = optopt - first;
        return found == ':' ? CLINUX_OPTION_WITHOUT_VALUE : CLINUX_OPTION_TAKES_NO_VALUE;
    }
    // Of short options that stand together the first is told, with their word, which is not passed yet.
    *text = words[at];
    return CLINUX_OPTION_UNKNOWN;
}
