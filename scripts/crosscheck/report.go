package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Every step ends in one of four verdicts; the overall verdict is the worst of those that apply.
type verdict int

const (
	notApplicable verdict = iota
	verified
	couldNotCheck
	broken
)

func (v verdict) String() string {
	return [...]string{"not-applicable", "verified", "could-not-check", "broken"}[v]
}

// An error of this type means "could not check"; every other error means "broken".
type unsureError struct{ error }

func unsure(format string, args ...any) error { return unsureError{fmt.Errorf(format, args...)} }

func verdictOf(err error) verdict {
	var u unsureError
	switch {
	case err == nil:
		return verified
	case errors.As(err, &u):
		return couldNotCheck
	}
	return broken
}

type step struct {
	name    string
	verdict verdict
	notes   []string
}

// check folds one result into the step and says whether it was good.
func (s *step) check(err error) bool {
	s.verdict = max(s.verdict, verdictOf(err))
	if err != nil {
		s.note("%v", err)
	}
	return err == nil
}

func (s *step) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

type report struct{ steps []*step }

func (r *report) step(name string) *step {
	s := &step{name: name}
	r.steps = append(r.steps, s)
	return s
}

func (r *report) overall() verdict {
	worst := notApplicable
	for _, s := range r.steps {
		worst = max(worst, s.verdict)
	}
	return worst
}

func (r *report) print(w io.Writer) {
	for _, s := range r.steps {
		fmt.Fprintf(w, "%s: %s", s.name, s.verdict)
		if len(s.notes) > 0 {
			fmt.Fprintf(w, " (%s)", strings.Join(s.notes, "; "))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "overall: %s\n", r.overall())
}

// exit gives the exit status: 0 verified, 1 broken, 2 could not check.
func (r *report) exit() int {
	switch r.overall() {
	case verified:
		return 0
	case broken:
		return 1
	}
	return 2
}
