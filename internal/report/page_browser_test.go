package report

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	printer "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/openstack-ready/packer-plugin-openstack-ready/internal/requirement"
)

// hostile is what an image could call itself to be more than text.
const hostile = `</style></script><script>window.hostile = 1</script><img src=x onerror="window.hostile = 1">"' javascript:window.hostile=1`

// whole is a report with everything in it that a page can show, and with
// hostile text wherever the text is the image's own.
func whole(t *testing.T) *Report {
	t.Helper()
	r := sample()
	r.Image.Path = "/srv/" + strings.ReplaceAll(hostile, "/", "") + ".qcow2"
	r.Facts.OS.PrettyName = hostile
	r.Findings[1].Evidence = append(r.Findings[1].Evidence, hostile)
	r.Properties[0].Value, r.Properties[0].Reason = hostile, hostile
	r.AddProof([]requirement.Finding{
		{ID: requirement.RootResize, Side: requirement.Boot, Verdict: requirement.Unknown, Evidence: []string{"nobody looked"}, Remedy: hostile},
	}, Proof{Console: "\x1b[0;1;32mLinux\x1b[0m version 6.1\r\n" + hostile + "\n", Screenshot: picture(t)})
	r.AddTiming("inspect", 800*time.Millisecond)
	r.AddTiming("boot", 75*time.Second)
	r.Published = []Published{{ID: "8f5c1c9e", Name: hostile, Cloud: "mycloud", Status: "active", Size: 700 << 20, HashAlgorithm: "sha512", HashValue: "cf83e1"}}
	return r
}

func picture(t *testing.T) []byte {
	t.Helper()
	screen := image.NewGray(image.Rect(0, 0, 72, 40))
	screen.Set(1, 1, color.White)
	var b bytes.Buffer
	if err := png.Encode(&b, screen); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// browser is a page in a browser, with what it complained of and what it asked
// for over the network.
type browser struct {
	t          *testing.T
	ctx        context.Context
	complaints []string
	requests   []string
}

func openPage(t *testing.T, r *Report) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs chromium (Debian package chromium): how the report's page looks and works in a browser is left out")
	}
	path := filepath.Join(t.TempDir(), "ready.html")
	if err := r.Save(path); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(time.Minute),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WindowSize(1280, 1000))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, b.hear)
	b.do(network.Enable(), log.Enable(), runtime.Enable(), chromedp.Navigate("file://"+path))
	return b
}

// hear notes what the browser says. The driver calls it from one goroutine,
// and every action that is waited for comes after what it caused.
func (b *browser) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		b.complaints = append(b.complaints, "console."+string(e.Type))
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Error())
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "data:") {
			b.requests = append(b.requests, e.Request.URL)
		}
	}
}

func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval returns what a JavaScript expression is in the page.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	var got T
	b.do(chromedp.Evaluate(expression, &got))
	return got
}

// shown are the requirements whose rows can be seen.
const shown = `[...document.querySelectorAll(".requirements tbody")].filter(r => r.offsetHeight > 0).map(r => r.id).join(" ")`

// unfolded are those whose details can be seen.
const unfolded = `[...document.querySelectorAll(".requirements .more")].filter(r => r.offsetHeight > 0).map(r => r.parentNode.id).join(" ")`

func TestPageInABrowser(t *testing.T) {
	b := openPage(t, whole(t))
	expect := func(step, expression, want string) {
		t.Helper()
		if got := eval[string](b, expression); got != want {
			t.Errorf("%s: %s = %q, want %q", step, expression, got, want)
		}
	}
	expect("opened", shown, "root-resize console-log xen-pv-kernel")
	expect("opened", unfolded, "root-resize console-log")
	expect("opened", `[...document.querySelectorAll("thead .side")].map(s => s.textContent).join(" ")`, "Disk Boot")
	expect("opened", `document.querySelector("header strong").textContent`, "Not ready")
	expect("opened", `[...document.querySelectorAll(".bars text")].map(t => t.textContent).join(" ")`, "inspect 800ms boot 1m15s")
	expect("opened", `document.querySelector(".console pre").textContent.split("\n")[0]`, "Linux version 6.1")
	if !eval[bool](b, `document.querySelector(".screenshot img").naturalWidth === 72`) {
		t.Error("the screenshot is not drawn")
	}

	b.do(chromedp.Click(`//label[contains(., "not applicable")]`))
	expect("filtered by state", shown, "xen-pv-kernel")
	b.do(chromedp.Click(`//label[contains(., "all")]`), chromedp.SendKeys("#find", "grub.cfg QUIET", chromedp.ByQuery))
	expect("filtered by words", shown, "console-log")
	expect("filtered by words", `document.getElementById("shown").textContent`, "1 of 3")
	b.do(chromedp.SendKeys("#find", " nowhere", chromedp.ByQuery))
	if !eval[bool](b, `document.getElementById("none").offsetHeight > 0`) {
		t.Error("an empty list does not say that it is")
	}
	b.do(chromedp.Evaluate(`find.select()`, nil), chromedp.KeyEvent(kb.Delete))

	b.do(chromedp.Focus(`#xen-pv-kernel button`, chromedp.ByQuery), chromedp.KeyEvent(kb.Enter))
	expect("unfolded by keyboard", unfolded, "root-resize console-log xen-pv-kernel")
	b.do(chromedp.Click("#unfold", chromedp.ByQuery))
	expect("folded all", unfolded, "")
	b.do(chromedp.Evaluate(`location.hash = "#console-log"`, nil), chromedp.Poll(unfolded, nil))
	expect("named by the address", unfolded, "console-log")

	if len(b.complaints) > 0 {
		t.Errorf("the browser complains: %q", b.complaints)
	}
	if len(b.requests) != 1 || !strings.HasPrefix(b.requests[0], "file://") {
		t.Errorf("requests = %q, want the page's own file alone", b.requests)
	}
	if eval[bool](b, `"hostile" in window || document.querySelectorAll("script, img").length !== 2`) {
		t.Error("the image's own text became a part of the page")
	}
}

func TestPageInDarkAndNarrowAndOnPaper(t *testing.T) {
	b := openPage(t, whole(t))
	brightness := `getComputedStyle(document.body).backgroundColor.match(/\d+/g).reduce((sum, n) => sum + Number(n), 0)`
	scheme := func(name string) chromedp.Action {
		return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}})
	}
	b.do(scheme("light"))
	if got := eval[int](b, brightness); got < 600 {
		t.Errorf("brightness of the light page = %d of 765", got)
	}
	b.picture("light")
	b.do(scheme("dark"))
	if got := eval[int](b, brightness); got > 150 {
		t.Errorf("brightness of the dark page = %d of 765", got)
	}
	b.picture("dark")
	b.do(chromedp.EmulateViewport(380, 800))
	if got := eval[int](b, `document.documentElement.scrollWidth`); got > 380 {
		t.Errorf("a page of 380 pixels is %d wide", got)
	}
	b.picture("narrow")
	b.do(chromedp.EmulateViewport(1280, 1000))

	b.do(chromedp.Click(`//label[contains(., "not applicable")]`))
	b.do(chromedp.ActionFunc(func(ctx context.Context) error {
		pdf, _, err := printer.PrintToPDF().WithPrintBackground(true).Do(ctx)
		if err == nil && !bytes.HasPrefix(pdf, []byte("%PDF-")) {
			t.Error("printing gives no PDF file")
		}
		keep(t, "paper.pdf", pdf)
		return err
	}))
	if got := eval[string](b, shown); got != "xen-pv-kernel" {
		t.Errorf("rows after printing = %q, want those before it", got)
	}
	b.do(emulation.SetEmulatedMedia().WithMedia("print"), chromedp.Evaluate(`dispatchEvent(new Event("beforeprint"))`, nil))
	if got, want := eval[string](b, unfolded), "root-resize console-log xen-pv-kernel"; got != want {
		t.Errorf("unfolded on paper = %q, want %q", got, want)
	}
	if eval[bool](b, `document.getElementById("tools").offsetHeight > 0`) {
		t.Error("the filter is printed")
	}
}

func (b *browser) picture(name string) {
	b.t.Helper()
	var shot []byte
	b.do(chromedp.FullScreenshot(&shot, 100))
	keep(b.t, name+".png", shot)
}

// keep stores what a person may want to look at, where they said so.
func keep(t *testing.T, name string, content []byte) {
	t.Helper()
	dir := os.Getenv("OPENSTACK_READY_TEST_PICTURES")
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Error(err)
	}
}
