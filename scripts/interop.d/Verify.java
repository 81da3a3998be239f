import java.io.FileInputStream;
import java.io.InputStream;
import java.security.cert.*;
import java.util.*;

/** Verify ROOT ISSUER LEAF [CRLS]: validates the leaf; without CRLs they are fetched by the addresses in the certificates. */
class Verify {
    static final CertificateFactory X509;

    static {
        try {
            X509 = CertificateFactory.getInstance("X.509");
        } catch (CertificateException e) {
            throw new IllegalStateException(e);
        }
    }

    static X509Certificate certificate(String path) throws Exception {
        try (InputStream in = new FileInputStream(path)) {
            return (X509Certificate) X509.generateCertificate(in);
        }
    }

    public static void main(String[] args) throws Exception {
        CertPath path = X509.generateCertPath(List.of(certificate(args[2]), certificate(args[1])));
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(certificate(args[0]), null)));
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        parameters.setRevocationEnabled(true);
        if (args.length > 3) {
            try (InputStream in = new FileInputStream(args[3])) {
                var lists = new CollectionCertStoreParameters(X509.generateCRLs(in));
                parameters.addCertStore(CertStore.getInstance("Collection", lists));
            }
        } else {
            var checker = (PKIXRevocationChecker) validator.getRevocationChecker();
            checker.setOptions(EnumSet.of(PKIXRevocationChecker.Option.PREFER_CRLS, PKIXRevocationChecker.Option.NO_FALLBACK));
            parameters.addCertPathChecker(checker);
        }
        try {
            validator.validate(path, parameters);
            System.out.println("valid");
        } catch (CertPathValidatorException e) {
            System.out.println("refused at " + e.getIndex() + ": " + e.getReason() + ": " + e.getMessage());
        }
    }
}
