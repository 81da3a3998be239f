/* mbedtls_verify ROOT ISSUER LEAF CRLS: what mbedTLS thinks of the leaf, with the lists of all CAs. */
#include <mbedtls/x509_crl.h>
#include <mbedtls/x509_crt.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    mbedtls_x509_crt root, chain;
    mbedtls_x509_crl lists;
    uint32_t flags = 0;
    char text[1024];

    mbedtls_x509_crt_init(&root);
    mbedtls_x509_crt_init(&chain);
    mbedtls_x509_crl_init(&lists);
    if (argc != 5 || mbedtls_x509_crt_parse_file(&root, argv[1]) != 0 || mbedtls_x509_crt_parse_file(&chain, argv[3]) != 0 ||
        mbedtls_x509_crt_parse_file(&chain, argv[2]) != 0 || mbedtls_x509_crl_parse_file(&lists, argv[4]) != 0) {
        puts("unreadable");
        return 2;
    }
    if (mbedtls_x509_crt_verify(&chain, &root, &lists, NULL, &flags, NULL, NULL) == 0) {
        puts("accepted");
        return 0;
    }
    mbedtls_x509_crt_verify_info(text, sizeof(text), "refused: ", flags);
    fputs(text, stdout);
    return 1;
}
