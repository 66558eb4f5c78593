package main

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Trail names, formats §3 and the table of records.md; the forms of ids are those of the published catalogue.

const (
	court      = `(?:最高法|[京津冀晋内辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川黔云藏陕甘青宁新兵军](?:[0-9]{4}|[0-9]{2})?)`
	staff      = court + `-R[0-9]{4,6}`
	alphabet   = `[A-Za-z0-9\-_./~\x{4E00}-\x{9FFF}（）]`
	newCase    = `（(?:201[6-9]|20[2-9][0-9]|2[1-9][0-9]{2})）` + court + `[\x{4E00}-\x{9FFF}]{1,3}[1-9][0-9]{0,8}号`
	oldCase    = `（(?:1[0-9]{3}|200[0-9]|201[0-5])）` + alphabet + `{1,33}号`
	caseNumber = `(?:` + newCase + `|` + oldCase + `)`
	evidenceID = court + `-[0-9]{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])-[a-z2-7]{12}`
	opaque     = `~[A-Za-z0-9_-]{21}[AQgw]`
	sourceID   = `[a-z0-9-]{2,64}`
	anyID      = alphabet + `{1,200}`
)

func whole(expr string) *regexp.Regexp { return regexp.MustCompile(`^(?:` + expr + `)$`) }

type trailKind struct {
	id      *regexp.Regexp
	classes string // of the logs that may hold the kind
}

var trailKinds = map[string]trailKind{
	"evidence":      {whole(evidenceID), "party"},
	"file":          {whole(`(?:sha256|sm3)-[0-9a-f]{64}`), "party"},
	"list":          {whole(evidenceID), "party"},
	"case":          {whole(caseNumber), "party"},
	"case-internal": {whole(caseNumber), "internal"},
	"power":         {whole(staff), "internal"},
	"duty":          {whole(staff), "internal"},
	"hr":            {whole(staff), "personnel"},
	"firm":          {whole(opaque + `|[A-Z0-9]{8,20}`), "personnel"},
	"disclosure":    {whole(court), "public"},
	"judgment":      {whole(caseNumber + `(?:-[0-9]{1,3})?`), "party"},
	"publication":   {whole(caseNumber + `(?:-[0-9]{1,3})?`), "public"},
	"court":         {whole(court), "public"},
	"commutation":   {whole(caseNumber), "commutation"},
	"lead":          {whole(opaque), "lead"},
	"inspect":       {whole(sourceID), "lead"},
	"source":        {whole(sourceID), "internal"},
	"reader":        {whole(staff), "internal lead"},
	"key":           {whole(`[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]`), "any"},
	"ledger":        {originName, "any"},
}

var (
	kindName  = regexp.MustCompile(`^[a-z][a-z-]{0,23}$`)
	generalID = whole(anyID)
)

func checkTrailName(name string) error {
	kind, id, _ := strings.Cut(name, ":")
	if !kindName.MatchString(kind) || !generalID.MatchString(id) || len(id) > 200 {
		return fmt.Errorf("trail name %q malformed", name)
	}
	if k, known := trailKinds[kind]; known && !k.id.MatchString(id) {
		return fmt.Errorf("trail name %q: id malformed", name)
	}
	return nil
}

// recordType is one row of the tables of records.md (and of formats §8), all at version 1. Fields: "!" is required.
// Trails: kind, kind=field, or one of the words that trailsOf treats by name; the first given is sub. Classes are those
// of the logs that take the type, "any" for every log. `crosscheck catalogue` holds the rows to the published catalogue.
type recordType struct {
	by, open, sealed, trails, classes string
	system, operatorOnly              bool
}

const (
	everyRole = "administrator clerk judge leader secretary trial-office personnel discipline procuratorate lawyer party firm system auditor"
	staffRole = "judge clerk leader trial-office personnel" // who "staff" is: those who write for themselves
)

var recordTypes = map[string]recordType{
	"evidence.fix": {by: "clerk party lawyer system", open: "evidence! material! files! kind list case generatedAt captureMethod environment",
		sealed: "name source purpose generatedBy device witness submitter", trails: "evidence file list case"},
	"evidence.list":          {by: "clerk", open: "list! case count! items!", sealed: "title party", trails: "list case"},
	"evidence.receipt":       {by: "clerk", open: "list! case receivedAt! items!", sealed: "names party handler", trails: "list case"},
	"evidence.confirm":       {by: "clerk party", open: "list! method! proof", sealed: "party", trails: "list"},
	"evidence.attach":        {by: "clerk", open: "list evidence case!", trails: "case list evidence"},
	"evidence.custody":       {by: "clerk", open: "evidence! list action! carrier!", sealed: "from to reason", trails: "evidence list"},
	"evidence.supplement":    {by: "clerk party lawyer system", open: "evidence! case refs!", sealed: "reason", trails: "evidence case"},
	"evidence.withdraw":      {by: "clerk party lawyer system", open: "evidence! case refs!", sealed: "reason", trails: "evidence case"},
	"evidence.originalCheck": {by: "clerk judge", open: "evidence! case result!", sealed: "note", trails: "evidence case"},
	"evidence.verify":        {by: everyRole, open: "evidence! result! digest!", sealed: "requester", trails: "evidence"},
	"evidence.objection":     {by: "party lawyer", open: "evidence! case stage! factors", sealed: "grounds", trails: "evidence case"},
	"evidence.appraisal":     {by: "judge clerk", open: "evidence! case opinion", sealed: "reason", trails: "evidence case"},
	"evidence.ruling":        {by: "judge clerk", open: "evidence! case authentic lawful relevant adopted", sealed: "reason", trails: "evidence case"},

	"staff.post": {by: "personnel", open: "staff! posts! remit from! formerly", trails: "power=staff duty=staff"},
	"keycase.flag": {by: "clerk judge leader trial-office system discipline", open: "case! class! item! source! judge", sealed: "note",
		trails: "case-internal flag"},
	"keycase.unflag":      {by: "leader trial-office", open: "case! refs! reasonCode!", sealed: "reason", trails: "case-internal"},
	"keycase.report":      {by: "judge", open: "case! refs!", sealed: "content", trails: "case-internal duty=actor"},
	"keycase.ack":         {by: "leader", open: "case! refs!", sealed: "content", trails: "case-internal power"},
	"supervision.access":  {by: "leader secretary", open: "case! mode! from! to", sealed: "purpose scope", trails: "power case-internal"},
	"supervision.opinion": {by: "leader", open: "case! judge! measure! basis! node! channel! replyDue", sealed: "content!", trails: "power case-internal duty=judge"},
	"supervision.reply":   {by: "judge", open: "case! leader! refs! decision!", sealed: "reason progress", trails: "duty=actor case-internal power=leader"},
	"supervision.outcome": {by: "leader judge", open: "case! judge! leader! refs! result! changed", sealed: "content", trails: "case-internal power=leader duty=judge"},
	"approval.given":      {by: "leader", open: "matter! decision! refs! case", sealed: "reason", trails: "power case-internal"},
	"source.tally":        {by: "system", open: "source! day! first last count! digest", trails: "source"},
	"coverage.statement":  {by: "system administrator", open: "source! since! scope!", sealed: "note", trails: "source"},
	"feed.gap":            {by: "system administrator", open: "source! from! to! reasonCode", sealed: "note", trails: "source"},
	"inspect.sync":        {by: "discipline", open: "source! log! upTo! lagMs! disclosures", trails: "source"},

	"recusal.declared":    {by: staffRole, open: "staff! since! withinJurisdiction!", sealed: "relation! relative! firm! licence", trails: "hr=staff"},
	"recusal.assessed":    {by: "personnel", open: "staff! refs! mustRecuse! basis", sealed: "note", trails: "hr=staff"},
	"recusal.applied":     {by: staffRole, open: "staff!", sealed: "note", trails: "hr=staff"},
	"recusal.transferred": {by: "personnel", open: "staff! effective! post", sealed: "note", trails: "hr=staff"},
	"notice.lawfirm":      {by: "personnel", open: "firm! staff! notice!", sealed: "content", trails: "firm hr=staff"},
	"notice.received":     {by: "firm", open: "firm! staff! refs!", sealed: "content", trails: "firm hr=staff"},
	"recusal.disclosed":   {by: "personnel", open: "entry! status!", sealed: "name post relation lawyer firm", trails: "disclosure=court"},
	"recusal.updated":     {by: "personnel", open: "entry! refs! reasonCode!", sealed: "name post relation lawyer firm", trails: "disclosure=court"},
	"recusal.lifted":      {by: "personnel", open: "entry! refs! reasonCode!", sealed: "name post relation lawyer firm", trails: "disclosure=court"},
	"conflict.check":      {by: "clerk system", open: "case! judge! result!", sealed: "agents", trails: "case-internal duty=judge"},

	"ledger.genesis": {by: "administrator", system: true, trails: "ledger",
		open: "origin! name! operator! catalogue! catalogueDigest! keys! members! policy! administrators! control! predecessor"},
	"ledger.recovery": {by: "administrator", system: true, open: "old! new! from! how!", trails: "ledger"},
	"registry.key": {by: "administrator", system: true, open: "key! org! staff roles! mayGive notBefore notAfter binding", sealed: "holder",
		trails: "key ledger"},
	"registry.revoke":    {by: "administrator", system: true, open: "kid! reason! compromisedSince", trails: "key ledger"},
	"registry.member":    {by: "administrator", system: true, open: "action! member!", trails: "ledger"},
	"registry.policy":    {by: "administrator", system: true, open: "policy!", trails: "ledger"},
	"registry.node":      {by: "administrator", system: true, open: "keys! generation!", trails: "ledger"},
	"registry.catalogue": {by: "administrator", system: true, open: "catalogue! catalogueDigest!", trails: "ledger"},
	"registry.approve":   {by: "administrator", system: true, open: "refs! kid", trails: "key ledger"},
	"rule.version":       {by: "administrator", system: true, operatorOnly: true, open: "rule! version! title! from! basis parameters", trails: "ledger"},
	"codeTable.version":  {by: "administrator", system: true, operatorOnly: true, open: "table! version! title! from! rows!", trails: "ledger"},
	"platform.statement": {by: "administrator", system: true, operatorOnly: true,
		open: "operator! members! standards! algorithms! timeSources! incidents", trails: "ledger"},
	"body.erased":      {by: "administrator", system: true, open: "refs! fields! ground! of!", trails: "of"},
	"record.corrected": {by: everyRole, system: true, open: "refs! of!", trails: "of"},
	"access.read":      {by: "system", system: true, open: "trail leaf reader!", trails: "reader", classes: "internal lead"},
}

// The values that the tables name, by type and field, and the forms of fields that mean the same everywhere.
var fieldForms = map[string]func(any) bool{
	"court": matches(court), "actor": matches(staff), "onBehalfOf": matches(staff), "secrecy": matches("无"),
	"evidence": matches(evidenceID), "list": matches(evidenceID), "case": matches(caseNumber),
	"judge": matches(staff), "leader": matches(staff), "staff": matches(staff), "reader": matches(staff),
	"key": isBytes(32), "kid": isBytes(32), "catalogueDigest": isBytes(32), "catalogue": isCount, "control": isCount,
	"generation": isCount, "leaf": isBytes(32), "trail": isTrailName, "of": isSortedNames, "fields": isTexts, "org": matches(sourceID), "ledger.genesis.operator": matches(sourceID), "roles": isTexts, "mayGive": isTexts,
	"notBefore": isCount, "notAfter": isCount, "compromisedSince": isCount, "count": isCount,

	"evidence.fix.kind":                   matches("E[1-8]"),
	"evidence.fix.material":               matches("electronic-data|digitised-copy|object"),
	"evidence.fix.files":                  isFiles,
	"evidence.list.items":                 isItems(500, "evidence! sha256!"),
	"evidence.receipt.items":              isItems(1<<16, "evidence! form! copies pages"),
	"keycase.flag.class":                  func(v any) bool { n, ok := v.(int64); return ok && n >= 1 && n <= 4 },
	"keycase.flag.source":                 matches("filing|judge|leader|trial-office|system|discipline|superior"),
	"supervision.access.mode":             matches("file|hearing|report"),
	"recusal.declared.withinJurisdiction": isBool, "recusal.assessed.mustRecuse": isBool,
	"supervision.outcome.changed": isBool, "evidence.ruling.authentic": isBool, "evidence.ruling.lawful": isBool,
	"evidence.ruling.relevant": isBool, "evidence.ruling.adopted": isBool,
	"rule.version.parameters":      isList(0, 50, isMap("name! value! unit!")),
	"codeTable.version.rows":       isList(1, 500, isMap("code! zh! en source")),
	"platform.statement.operator":  isMap("org! name!"),
	"platform.statement.members":   isList(0, 64, isMap("org! name! runBy!")),
	"platform.statement.standards": isList(1, 100, isText), "platform.statement.algorithms": isList(1, 50, isText),
	"platform.statement.timeSources": isList(1, 20, isText),
	"platform.statement.incidents":   isList(1, 100, isMap("from! to what!")),
	"evidence.confirm.method":        matches("screen|paper|key"),
	"evidence.custody.action":        matches("received|lent|returned|destroyed"),
	"evidence.objection.stage":       matches("before|after"),
	"supervision.opinion.basis":      matches("keycase|procedural|remit|review"),
	"supervision.opinion.channel":    matches("platform|written|oral"),
	"supervision.reply.decision":     matches("adopted|partly|declined"),
	"recusal.disclosed.status":       matches("must-recuse|related"),
	"conflict.check.result":          matches("none|hit"),
	"registry.member.action":         matches("add|remove"),
	"registry.member.member":         isMember,
	"registry.policy.policy":         isText, "ledger.genesis.policy": isText,
	"ledger.recovery.old": isHead, "ledger.recovery.new": isHead, "ledger.genesis.predecessor": isMap("origin! size! root!"),
	"source.tally.source": matches(sourceID), "coverage.statement.source": matches(sourceID),
	"feed.gap.source": matches(sourceID), "inspect.sync.source": matches(sourceID), "inspect.sync.log": matches(originName.String()),
}

func matches(expr string) func(any) bool {
	re := whole(expr)
	return func(v any) bool { s, ok := v.(string); return ok && re.MatchString(s) }
}

func isBytes(n int) func(any) bool {
	return func(v any) bool { b, ok := v.([]byte); return ok && len(b) == n }
}

func isText(v any) bool { s, ok := v.(string); return ok && s != "" }

func isMap(names string) func(any) bool {
	return func(v any) bool { m, ok := v.(map[any]any); return ok && checkNames(m, names) == nil }
}

func isHead(v any) bool {
	m, _ := v.(map[any]any)
	return isMap("size! root!")(v) && isCount(m["size"]) && isBytes(32)(m["root"])
}

func isMember(v any) bool {
	m, _ := v.(map[any]any)
	return isMap("name! org! role! vkey! vkey-mldsa44")(v) && isText(m["name"]) && isText(m["vkey"]) && matches(sourceID)(m["org"]) &&
		matches("witness|mirror")(m["role"])
}

func isCount(v any) bool { n, ok := v.(int64); return ok && n >= 0 }

func isBool(v any) bool { _, ok := v.(bool); return ok }

func isTexts(v any) bool { _, ok := texts(v); return ok }

func isTrailName(v any) bool { s, ok := v.(string); return ok && checkTrailName(s) == nil }

// isSortedNames: whole trail names, sorted bytewise, each once, as in the header of a statement.
func isSortedNames(v any) bool {
	names, ok := texts(v)
	return ok && len(names) >= 1 && len(names) <= 64 && slices.IsSorted(names) &&
		!slices.ContainsFunc(names, func(name string) bool { return checkTrailName(name) != nil })
}

func isList(least, most int, of func(any) bool) func(any) bool {
	return func(v any) bool {
		list, ok := v.([]any)
		return ok && len(list) >= least && len(list) <= most && !slices.ContainsFunc(list, func(item any) bool { return !of(item) })
	}
}

func texts(v any) ([]string, bool) {
	list, ok := v.([]any)
	var out []string
	for _, item := range list {
		s, is := item.(string)
		ok = ok && is && !slices.Contains(out, s)
		out = append(out, s)
	}
	return out, ok
}

func isItems(most int, fields string) func(any) bool {
	evidence := matches(evidenceID)
	return func(v any) bool {
		list, ok := v.([]any)
		for _, item := range list {
			m, is := item.(map[any]any)
			ok = ok && is && checkNames(m, fields) == nil && evidence(m["evidence"])
			if d, there := m["sha256"]; there {
				ok = ok && isBytes(32)(d)
			}
			if f, there := m["form"]; there {
				ok = ok && (f == "original" || f == "copy")
			}
		}
		return ok && len(list) <= most
	}
}

type namedFile struct {
	size        int64
	sha256, sm3 []byte
}

// filesOf reads the files of an evidence.fix: 1–8, no digest twice.
func filesOf(v any) ([]namedFile, bool) {
	list, ok := v.([]any)
	var out []namedFile
	seen := map[string]bool{}
	for _, item := range list {
		m, is := item.(map[any]any)
		var f namedFile
		var ok1, ok2 bool
		f.sha256, ok1 = m["sha256"].([]byte)
		f.size, ok2 = m["size"].(int64)
		ok = ok && is && ok1 && ok2 && len(f.sha256) == 32 && f.size >= 0 && checkNames(m, "sha256! sm3 size! mime") == nil &&
			!seen["2"+string(f.sha256)]
		seen["2"+string(f.sha256)] = true
		if d, there := m["sm3"]; there {
			f.sm3, ok1 = d.([]byte)
			ok = ok && ok1 && len(f.sm3) == 32 && !seen["3"+string(f.sm3)]
			seen["3"+string(f.sm3)] = true
		}
		if mime, there := m["mime"]; there {
			_, ok1 = mime.(string)
			ok = ok && ok1
		}
		out = append(out, f)
	}
	return out, ok && len(out) >= 1 && len(out) <= 8
}

func isFiles(v any) bool { _, ok := filesOf(v); return ok }

// checkNames holds a map to a list of names, where "!" marks the required ones.
func checkNames(m map[any]any, names string) error {
	allowed := strings.Fields(names)
	for _, name := range allowed {
		if base, required := strings.CutSuffix(name, "!"); required && m[base] == nil {
			return fmt.Errorf("%s is missing", base)
		}
	}
	for key := range m {
		name, _ := key.(string)
		if !slices.Contains(allowed, name) && !slices.Contains(allowed, name+"!") {
			return fmt.Errorf("unknown field %v", key)
		}
	}
	return nil
}

func holdsNull(v any) bool {
	switch t := v.(type) {
	case nil:
		return true
	case []any:
		return slices.ContainsFunc(t, holdsNull)
	case map[any]any:
		for _, item := range t {
			if holdsNull(item) {
				return true
			}
		}
	}
	return false
}

var atForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,3})?[+-]([01][0-9]|2[0-3]):[0-5][0-9]$`)

func isTime(s string) bool {
	_, err := time.Parse("2006-01-02T15:04:05.999-07:00", s)
	return atForm.MatchString(s) && err == nil
}

// checkRecord applies the common rules of formats §4, the row of the record's type, and the trails rule.
func checkRecord(s *statement) error {
	if s.isSeal {
		return fmt.Errorf("a seal where a record should be")
	}
	row, known := recordTypes[s.typ]
	if !known || s.version != 1 {
		return unsure("unknown record type %s version %d", s.typ, s.version)
	}
	if holdsNull(s.body) {
		return fmt.Errorf("%s: null in the record", s.typ)
	}
	if !isTime(s.text("at")) {
		return fmt.Errorf("%s: at is not a time", s.typ)
	}
	common := "type! v! at! actor onBehalfOf secrecy refs sealed court"
	if !row.system {
		common += "!"
	}
	if err := checkNames(s.body, common+" "+row.open); err != nil {
		return fmt.Errorf("%s: %w", s.typ, err)
	}
	for key, value := range s.body {
		for _, name := range []string{key.(string), s.typ + "." + key.(string)} {
			if form := fieldForms[name]; form != nil && !form(value) {
				return fmt.Errorf("%s: field %s malformed", s.typ, key)
			}
		}
	}
	if _, err := refsOf(s); err != nil {
		return err
	}
	if err := checkBeyondFields(s); err != nil {
		return fmt.Errorf("%s: %w", s.typ, err)
	}
	sealed, there := s.body["sealed"].(map[any]any)
	if _, is := s.body["sealed"]; is && (!there || len(sealed) == 0) {
		return fmt.Errorf("%s: sealed malformed or empty", s.typ)
	}
	for _, digest := range sealed {
		if !isBytes(32)(digest) {
			return fmt.Errorf("%s: a sealed digest is not 32 bytes", s.typ)
		}
	}
	if err := checkNames(sealed, row.sealed); err != nil {
		return fmt.Errorf("%s: sealed: %w", s.typ, err)
	}
	want, err := trailsOf(s, row)
	if err != nil {
		return fmt.Errorf("%s: %w", s.typ, err)
	}
	if want[0] != s.sub {
		return fmt.Errorf("%s: sub is %s, should be %s", s.typ, s.sub, want[0])
	}
	slices.Sort(want)
	if want = slices.Compact(want); !slices.Equal(want, s.trails) {
		return fmt.Errorf("%s: trails are %v, should be %v", s.typ, s.trails, want)
	}
	return nil
}

// checkBeyondFields holds what the tables say of several fields together.
func checkBeyondFields(s *statement) error {
	switch s.typ {
	case "body.erased", "record.corrected":
		if spokenOf(s) == nil {
			return fmt.Errorf("not exactly one reference to the record it speaks of")
		}
	case "access.read":
		if (s.body["trail"] == nil) == (s.body["leaf"] == nil) {
			return fmt.Errorf("either trail or leaf")
		}
	case "recusal.applied":
		if s.text("staff") != s.text("actor") {
			return fmt.Errorf("one applies for oneself")
		}
	case "source.tally":
		first, ok1 := s.body["first"].(int64)
		last, ok2 := s.body["last"].(int64)
		if ok1 && ok2 && first > last {
			return fmt.Errorf("first after last")
		}
	}
	return nil
}

// spokenOf gives the reference of an erasure or correction to the record it speaks of; nil for every other statement.
func spokenOf(s *statement) *ref {
	rel := map[string]string{"body.erased": "erases", "record.corrected": "corrects"}[s.typ]
	refs, _ := refsOf(s)
	refs = slices.DeleteFunc(refs, func(r ref) bool { return r.rel != rel })
	if len(refs) != 1 {
		return nil
	}
	return &refs[0]
}

type ref struct {
	rel, log string
	leaf     hash
}

var relations = strings.Fields("answers outcome approves flag attaches corrects erases updates confirms about")

func refsOf(s *statement) ([]ref, error) {
	v, there := s.body["refs"]
	list, ok := v.([]any)
	if there && (!ok || len(list) == 0) {
		return nil, fmt.Errorf("%s: refs malformed or empty", s.typ)
	}
	var out []ref
	for _, item := range list {
		m, _ := item.(map[any]any)
		var r ref
		r.rel, _ = m["rel"].(string)
		r.log, _ = m["log"].(string)
		if len(m) != 3 || !slices.Contains(relations, r.rel) || !isOrigin(r.log) || !fill(r.leaf[:], m["leaf"]) {
			return nil, fmt.Errorf("%s: a ref is malformed", s.typ)
		}
		out = append(out, r)
	}
	return out, nil
}

// trailsOf computes the trails from the open fields; the first is sub.
func trailsOf(s *statement, row recordType) ([]string, error) {
	var out []string
	add := func(kind, id string) {
		if id != "" {
			out = append(out, kind+":"+id)
		}
	}
	leader := s.text("onBehalfOf")
	if leader == "" {
		leader = s.text("actor")
	}
	for _, word := range strings.Fields(row.trails) {
		kind, field, given := strings.Cut(word, "=")
		switch {
		case given:
			add(kind, s.text(field))
		case word == "power":
			add("power", leader)
		case word == "case-internal":
			add(word, s.text("case"))
		case word == "ledger":
			add(word, s.aud)
		case word == "key" && s.body["key"] != nil:
			id := keyID(s.body["key"].([]byte))
			add(word, base64url(id[:]))
		case word == "key" && s.body["kid"] != nil:
			add(word, base64url(s.body["kid"].([]byte)))
		case word == "key":
		case word == "file":
			files, _ := filesOf(s.body["files"])
			for _, f := range files {
				add(word, "sha256-"+hex.EncodeToString(f.sha256))
				if f.sm3 != nil {
					add(word, "sm3-"+hex.EncodeToString(f.sm3))
				}
			}
		case word == "flag":
			if class := s.body["class"]; class != int64(4) && class != "4" {
				add("duty", s.text("judge"))
			}
			if s.text("source") == "leader" {
				add("power", s.text("actor"))
			}
		case word == "of":
			out, _ = texts(s.body["of"])
		default:
			add(word, s.text(word))
		}
	}
	if s.typ == "evidence.attach" && len(out) < 2 {
		return nil, fmt.Errorf("neither list nor evidence")
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no trails")
	}
	return out, nil
}

// writers gives the roles that may write this very record.
func writers(s *statement) []string {
	switch {
	case s.typ == "keycase.flag" && s.text("source") == "leader":
		return []string{"leader"}
	case s.typ == "recusal.declared" && s.text("staff") != s.text("actor"):
		return []string{"personnel"} // of others; staff of themselves
	}
	return strings.Fields(recordTypes[s.typ].by)
}

// mayWrite says whether a key's roles may write the record, and whether it names the right people.
func mayWrite(k *registeredKey, s *statement, operator string) error {
	row, known := recordTypes[s.typ]
	if !known || s.version != 1 {
		return unsure("unknown record type %s version %d", s.typ, s.version)
	}
	as := slices.DeleteFunc(writers(s), func(role string) bool { return !slices.Contains(k.roles, role) })
	some := func(roles ...string) bool {
		return slices.ContainsFunc(as, func(r string) bool { return slices.Contains(roles, r) })
	}
	forOthers := !slices.ContainsFunc(as, func(r string) bool { return r != "secretary" && r != "system" })
	onPersons := !row.system && slices.ContainsFunc(s.trails, func(t string) bool {
		return strings.HasPrefix(t, "power:") || strings.HasPrefix(t, "duty:")
	})
	switch {
	case len(as) == 0:
		return fmt.Errorf("a key with the roles %v may not write this %s", k.roles, s.typ)
	case row.operatorOnly && operator != "" && k.org != operator:
		return fmt.Errorf("%s by another organisation than the operator", s.typ)
	case k.staff == "" && !some("system", "party", "lawyer", "firm", "administrator"):
		return fmt.Errorf("%s by a key without staff code", s.typ)
	case s.text("onBehalfOf") == "" && forOthers && (some("secretary") || onPersons):
		return fmt.Errorf("%s by a secretary or system without onBehalfOf", s.typ)
	case s.body["onBehalfOf"] != nil && !forOthers:
		return fmt.Errorf("%s on behalf of somebody, by neither secretary nor system", s.typ)
	}
	return nil
}

// checkSpokenOf holds an erasure or correction to the earlier record it speaks of; nil where there is none.
func checkSpokenOf(s *statement, k *registeredKey, about *statement, origin string) error {
	spoken := spokenOf(s)
	switch {
	case spoken == nil || spoken.log != origin || about == nil:
		return fmt.Errorf("%s of a record that is not there", s.typ)
	case !sameTexts(s.body["of"], about.trails):
		return fmt.Errorf("%s: of is not the record's trails", s.typ)
	case s.typ == "record.corrected" && k.org != about.iss || s.typ == "body.erased" && erasingSide(s, k, about) == "":
		return fmt.Errorf("%s by another organisation", s.typ)
	case s.typ == "record.corrected" && !slices.ContainsFunc(writers(about), func(r string) bool { return slices.Contains(k.roles, r) }):
		return fmt.Errorf("corrected by a key that may not write %s", about.typ)
	}
	fields, _ := texts(s.body["fields"])
	sealed, _ := about.body["sealed"].(map[any]any)
	for _, field := range fields {
		if sealed[field] == nil {
			return fmt.Errorf("body.erased: the record has no sealed field %q", field)
		}
	}
	return nil
}

// erasingSide says for whom an administrator erases: the record's own organisation, or, for supervision, discipline.
func erasingSide(s *statement, k *registeredKey, about *statement) string {
	switch {
	case k.org == about.iss:
		return "own"
	case strings.HasPrefix(about.typ, "supervision.") && slices.Contains(k.mayGive, "discipline"):
		return "discipline"
	}
	return ""
}

func sameTexts(v any, want []string) bool {
	got, ok := texts(v)
	return ok && slices.Equal(got, want)
}
