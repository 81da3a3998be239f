/* wolfssl_verify ROOT ISSUER LEAF CRLS: what wolfSSL thinks of the leaf, with the lists of all CAs. */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <stdio.h>
#include <string.h>

static const char END[] = "-----END X509 CRL-----";

int main(int argc, char **argv)
{
    static char text[1 << 20];
    char *at = text, *end;
    WOLFSSL_CERT_MANAGER *manager;
    FILE *file;
    int code = WOLFSSL_SUCCESS;

    wolfSSL_Init();
    manager = wolfSSL_CertManagerNew();
    file = argc == 5 ? fopen(argv[4], "rb") : NULL;
    if (manager == NULL || file == NULL || fread(text, 1, sizeof(text) - 1, file) == 0)
        return 2;
    /* The issuer too is verified when it is loaded, so that the lists come first. */
    if (code == WOLFSSL_SUCCESS)
        code = wolfSSL_CertManagerLoadCA(manager, argv[1], NULL);
    if (code == WOLFSSL_SUCCESS)
        code = wolfSSL_CertManagerLoadCA(manager, argv[2], NULL);
    if (code == WOLFSSL_SUCCESS)
        code = wolfSSL_CertManagerEnableCRL(manager, WOLFSSL_CRL_CHECKALL);
    /* It reads one list at a time. */
    while (code == WOLFSSL_SUCCESS && (end = strstr(at, END)) != NULL) {
        end += strlen(END) + 1;
        code = wolfSSL_CertManagerLoadCRLBuffer(manager, (unsigned char *)at, end - at, WOLFSSL_FILETYPE_PEM);
        at = end;
    }
    if (code == WOLFSSL_SUCCESS)
        code = wolfSSL_CertManagerVerify(manager, argv[2], WOLFSSL_FILETYPE_PEM);
    if (code == WOLFSSL_SUCCESS)
        code = wolfSSL_CertManagerVerify(manager, argv[3], WOLFSSL_FILETYPE_PEM);
    if (code == WOLFSSL_SUCCESS)
        puts("accepted");
    else
        printf("refused: %d %s\n", code, wolfSSL_ERR_reason_error_string(code));
    return code != WOLFSSL_SUCCESS;
}
