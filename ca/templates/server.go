// mTLS with certificates of Signet, for Go 1.19 and later.
//
//	ca trust bundle --out /etc/signet/clients.pem     root and issuers; again after a change of issuer
//	ca crl fetch    --out /etc/signet/crl.pem         every few minutes, from a timer; never puts an older list over a newer one
//
// crypto/tls does not look at CRLs, so that a revoked device would be let in: `lists.check` below does, at every handshake, for
// every certificate under the root. Every device is refused when a list is missing or has expired.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"
)

const dir = "/etc/signet"

// One list with its signer, verified.
type list struct {
	signer  *x509.Certificate
	end     time.Time
	revoked map[string]bool
}

type lists []list

// serverConfig is the configuration for the files that lie in the directory now.
func serverConfig() (*tls.Config, error) {
	own, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"))
	if err != nil {
		return nil, err
	}
	cas, err := readCAs(filepath.Join(dir, "clients.pem"))
	if err != nil {
		return nil, err
	}
	found, err := readLists(filepath.Join(dir, "crl.pem"), cas)
	if err != nil {
		return nil, err
	}
	// Root and issuers: many devices send their own certificate only.
	pool := x509.NewCertPool()
	for _, ca := range cas {
		pool.AddCert(ca)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{own},
		MinVersion:   tls.VersionTLS12,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    pool,
		// A resumed session is not verified in full, so that a revoked device could keep its access.
		SessionTicketsDisabled: true,
		// Not VerifyPeerCertificate, which resumed sessions pass by.
		VerifyConnection: found.check,
	}, nil
}

// check accepts a connection when one of its chains is free of revoked certificates.
func (l lists) check(state tls.ConnectionState) error {
	refusal := errors.New("no verified chain")
	for _, chain := range state.VerifiedChains {
		if refusal = l.checkChain(chain); refusal == nil {
			return nil
		}
	}
	return refusal
}

func (l lists) checkChain(chain []*x509.Certificate) error {
	for _, certificate := range chain {
		// A root answers for itself; an issuer is asked about, although it is in the pool.
		if certificate.CheckSignatureFrom(certificate) == nil {
			continue
		}
		list := l.of(certificate)
		switch {
		case list == nil:
			return fmt.Errorf("no list of the CA that signed %s", certificate.Subject)
		case !time.Now().Before(list.end):
			return fmt.Errorf("the list of %s has expired", list.signer.Subject)
		case list.revoked[certificate.SerialNumber.String()]:
			return fmt.Errorf("%s is revoked", certificate.Subject)
		}
	}
	return nil
}

// of is the list of the CA whose key signed the certificate; a CA's name alone would say nothing.
func (l lists) of(certificate *x509.Certificate) *list {
	for i := range l {
		if certificate.CheckSignatureFrom(l[i].signer) == nil {
			return &l[i]
		}
	}
	return nil
}

func readCAs(path string) (cas []*x509.Certificate, err error) {
	err = eachBlock(path, "CERTIFICATE", func(der []byte) error {
		ca, err := x509.ParseCertificate(der)
		cas = append(cas, ca)
		return err
	})
	return cas, err
}

// readLists wants one list of each CA, signed by it. A stale one in front of a new one would revive what was revoked.
func readLists(path string, cas []*x509.Certificate) (found lists, err error) {
	err = eachBlock(path, "X509 CRL", func(der []byte) error {
		crl, err := x509.ParseRevocationList(der)
		if err != nil {
			return err
		}
		for _, extension := range crl.Extensions {
			if extension.Critical {
				return fmt.Errorf("a list is for some certificates only: extension %s", extension.Id)
			}
		}
		for _, ca := range cas {
			if crl.CheckSignatureFrom(ca) != nil {
				continue
			}
			for _, other := range found {
				if other.signer.Equal(ca) {
					return fmt.Errorf("two lists of %s", ca.Subject)
				}
			}
			// RevokedCertificateEntries is the newer name, which Go 1.19 does not have.
			revoked := make(map[string]bool, len(crl.RevokedCertificates))
			for _, entry := range crl.RevokedCertificates {
				revoked[entry.SerialNumber.String()] = true
			}
			found = append(found, list{ca, crl.NextUpdate, revoked})
			return nil
		}
		return errors.New("a list is signed by none of the CAs")
	})
	if err == nil && len(found) != len(cas) {
		err = fmt.Errorf("%d lists for %d CAs", len(found), len(cas))
	}
	return found, err
}

// eachBlock refuses a file without the blocks that are wanted, and one with a torn end.
func eachBlock(path, label string, take func([]byte) error) error {
	rest, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	count := 0
	for {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != label {
			return fmt.Errorf("%s: a block of the type %s", path, block.Type)
		}
		if err := take(block.Bytes); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		count++
	}
	if count == 0 || len(bytes.TrimSpace(rest)) > 0 {
		return fmt.Errorf("%s: not a list of PEM blocks of the type %s", path, label)
	}
	return nil
}

func main() {
	first, err := serverConfig()
	if err != nil {
		log.Fatal(err)
	}
	var current atomic.Value
	current.Store(first)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		for range hangup {
			// What cannot be read changes nothing: the lists that are held still refuse when they expire.
			if next, err := serverConfig(); err != nil {
				log.Print("the old lists stay in force: ", err)
			} else {
				current.Store(next)
			}
		}
	}()
	server := &http.Server{
		Addr: ":443",
		TLSConfig: &tls.Config{
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return current.Load().(*tls.Config), nil },
			// ListenAndServeTLS wants certificates here; GetConfigForClient decides.
			Certificates: first.Certificates,
		},
		// An open connection is not verified again: this is how long a revoked device that is silent keeps it.
		IdleTimeout: time.Minute,
		ReadTimeout: time.Minute,
		Handler: http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
			fmt.Fprintf(answer, "hello, %s\n", request.TLS.PeerCertificates[0].Subject.CommonName)
		}),
	}
	log.Fatal(server.ListenAndServeTLS("", ""))
}

// After each 'ca crl-sync' or 'ca crl fetch': send SIGHUP to the process.
