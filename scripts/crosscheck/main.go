// Command crosscheck verifies Lianzheng receipts, trail certificates, proofs and running logs from the published
// formats alone.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

const usage = `usage:
  crosscheck receipt -policy POLICY FILE.receipt.json [EVIDENCE-FILE...]
  crosscheck trail   -policy POLICY FILE.trail.json
  crosscheck handout -policy POLICY FILE.promise|FILE.refusal [RECEIPT-OR-CERTIFICATE | REFUSED-FILE]...
  crosscheck scitt   -policy POLICY FILE.cose FILE.receipt.json
  crosscheck proof   -policy POLICY FILE.tlog-proof STATEMENT-FILE
  crosscheck live    -vkey VKEY [-token JWT] URL/logs/NAME
  crosscheck catalogue FILE
exit status: 0 verified, 1 broken, 2 could not check or bad usage, 3 network failure
`

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	policyFile := flags.String("policy", "", "policy file")
	vkey := flags.String("vkey", "", "the log's key")
	token := flags.String("token", "", "bearer token for the entries")
	if err := flags.Parse(args[1:]); err != nil {
		return 2
	}
	rest := flags.Args()
	var rep *report
	var err error
	switch {
	case args[0] == "live" && len(rest) == 1 && *vkey != "":
		rep, err = verifyLive(strings.TrimSuffix(rest[0], "/"), *vkey, *token)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 3
		}
	case args[0] == "catalogue" && len(rest) == 1:
		data, err := os.ReadFile(rest[0])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		rep = checkCatalogue(data)
	case (args[0] == "receipt" || args[0] == "handout") && len(rest) >= 1 || args[0] == "trail" && len(rest) == 1 ||
		(args[0] == "proof" || args[0] == "scitt") && len(rest) == 2:
		rep, err = verifyFiles(args[0], *policyFile, rest)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
	default:
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	rep.print(os.Stdout)
	return rep.exit()
}

func verifyFiles(command, policyFile string, files []string) (*report, error) {
	text, err := os.ReadFile(policyFile)
	if err != nil {
		return nil, err
	}
	pol, err := parsePolicy(text)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		return nil, err
	}
	switch command {
	case "receipt":
		return verifyReceipt(data, pol, files[1:], time.Now()), nil
	case "trail":
		return verifyCertificate(data, pol, time.Now()), nil
	case "handout":
		var beside [][]byte
		for _, name := range files[1:] {
			more, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			beside = append(beside, more)
		}
		return verifyHandout(data, pol, beside, time.Now()), nil
	}
	entry, err := os.ReadFile(files[1])
	if err != nil {
		return nil, err
	}
	if command == "scitt" {
		return verifyTransparent(data, entry, pol, time.Now()), nil
	}
	return verifyTlogProof(data, entry, pol, time.Now()), nil
}

// verifyTlogProof checks a C2SP tlog-proof for the bytes of a statement.
func verifyTlogProof(data, entry []byte, pol *policy, now time.Time) *report {
	rep := &report{}
	file := rep.step("file")
	index, path, signed, err := parseTlogProof(data)
	if !file.check(err) {
		return rep
	}
	p := newProof(pol, strings.SplitN(signed, "\n", 2)[0], now)
	p.checkPolicy(rep.step("policy"))
	p.checkCheckpoint(rep.step("checkpoint signature"), rep.step("quorum"), signed)
	rep.step("inclusion").check(p.checkInclusion(index, tlog.RecordHash(entry), path))
	return rep
}
