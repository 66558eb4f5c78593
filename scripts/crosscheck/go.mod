module crosscheck

go 1.26.0

require (
	filippo.io/edwards25519 v1.2.0
	filippo.io/mldsa v1.0.0
	golang.org/x/mod v0.42.0
)
