// Swift cannot call functions with a variable number of arguments: one wrapper for each type of argument that is used.
#include <curl/curl.h>

typedef size_t (*ccurl_sink)(char *, size_t, size_t, void *);

static inline CURLcode ccurl_set_text(CURL *handle, CURLoption option, const char *text) {
    return curl_easy_setopt(handle, option, text);
}
static inline CURLcode ccurl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode ccurl_set_pointer(CURL *handle, CURLoption option, void *value) {
    return curl_easy_setopt(handle, option, value);
}
static inline CURLcode ccurl_set_sink(CURL *handle, CURLoption option, ccurl_sink sink) {
    return curl_easy_setopt(handle, option, sink);
}
static inline long ccurl_status(CURL *handle) {
    long status = 0;
    (void)curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    return status;
}
/// The text belongs to the handle; NULL if there is none.
static inline const char *ccurl_info_text(CURL *handle, CURLINFO info) {
    const char *text = NULL;
    (void)curl_easy_getinfo(handle, info, &text);
    return text;
}
