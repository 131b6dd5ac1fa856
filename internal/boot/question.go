package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// settle waits in the guest until what runs once at boot has run: cloud-init, which
// writes its result last and whose own "status --wait" ends early after an
// error, or the boot program, which runs the user data last.
const settle = `i=0
while [ "$i" -lt 300 ]; do
  if [ -e /run/cloud-init/enabled ] || [ -e /run/cloud-init/status.json ]; then
    [ ! -e /run/cloud-init/result.json ] || break
  elif [ -s /var/lib/openstack-ready-proof ] || [ "$i" -ge 90 ]; then
    break
  fi
  i=$((i + 1))
  sleep 1
done
`

// listen starts a second SSH server at the other port: a program that listens,
// and that every guest with SSH has.
const listen = `mkdir -p /run/sshd && "$(command -v sshd || echo /usr/sbin/sshd)" -p %d -o PidFile=none`

// question asks a guest that let us in for all it can show.
func (l *live) question(ctx context.Context) {
	_, err := l.ssh.run(ctx, l.ssh.asRoot(""), []byte(settle), 310*time.Second)
	if err == nil {
		l.told, err = l.tellOver(ctx, &l.ssh)
	}
	if err != nil {
		l.over = err.Error()
		return
	}
	l.toldBy = "a program run over SSH"
	l.other = l.knock(ctx, otherPort)
	if _, err := l.ssh.run(ctx, l.ssh.asRoot(""), []byte(fmt.Sprintf(listen, otherPort)), 30*time.Second*l.slow); err == nil {
		reached := l.knock(ctx, otherPort)
		l.listened = &reached
	}
	l.methods, l.methodsErr = passwordMethods(ctx, l.ports[sshPort], l.ssh.user)
}

// tellOver runs the witness over SSH.
func (l *live) tellOver(ctx context.Context, s *session) (facts, error) {
	said, err := s.run(ctx, s.asRoot("ssh"), l.instance.userData, time.Minute*l.slow)
	if err != nil {
		return nil, err
	}
	told, whole := readFacts(said, l.instance.nonce)
	if !whole {
		return nil, errors.New("the program that looks around in the guest came to no end")
	}
	return told, nil
}

// agentLimit is how long the guest agent may take to answer.
const agentLimit = 10 * time.Second

// askAgent pings the guest agent, as Nova's libvirt would.
func (l *live) askAgent(ctx context.Context) {
	if !l.machine.agent || l.process.hasEnded() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, agentLimit*l.slow)
	defer cancel()
	l.agentSaid, l.agentErr = ping(ctx, l.machine.path(agentSocket))
}

func ping(ctx context.Context, socket string) (string, error) {
	conn, err := dialSocket(ctx, socket)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	if _, err := conn.Write([]byte(`{"execute":"guest-ping"}` + "\n")); err != nil {
		return "", err
	}
	var answer struct {
		Return *struct{} `json:"return"`
	}
	line := make([]byte, 256)
	n, err := conn.Read(line)
	if err != nil {
		return "", fmt.Errorf("no answer to guest-ping: %w", err)
	}
	said := strings.TrimSpace(string(line[:n]))
	if err := json.Unmarshal([]byte(said), &answer); err != nil || answer.Return == nil {
		return "", fmt.Errorf("guest-ping was answered with %q", said)
	}
	return said, nil
}

// rebootLimit is how long a guest may take from power-on to a login.
const rebootLimit = 3 * time.Minute

// rebootOnce starts the machine that was shut down again, as Nova's soft reboot
// does (nova/virt/libvirt/driver.py, _soft_reboot), and looks again.
func (l *live) rebootOnce(ctx context.Context) {
	l.stage(Reboot, "")
	ctx, cancel := context.WithTimeout(ctx, rebootLimit*l.slow)
	defer cancel()
	l.reboot = &rebooted{}
	_ = l.monitor.close() // QEMU has closed its end.
	if l.reboot.err = l.powerOn(ctx); l.reboot.err != nil {
		return
	}
	for {
		s := attempt(ctx, l.ports[sshPort], []string{l.ssh.user}, l.instance.signer, l.slow)
		if s.reach == entered {
			l.lookAgain(ctx, &s)
			return
		}
		if l.process.hasEnded() || !pause(ctx, time.Second) {
			l.reboot.err = fmt.Errorf("no login by SSH %.0f s after the machine was started again", l.since())
			return
		}
	}
}

func (l *live) lookAgain(ctx context.Context, s *session) {
	_ = l.ssh.client.Close() // It ended with the last boot.
	l.ssh.client = s.client
	l.reboot.hostKey = s.hostKey
	if _, err := s.run(ctx, s.asRoot(""), []byte(settle), rebootLimit*l.slow); err != nil {
		l.reboot.err = err
		return
	}
	l.reboot.told, l.reboot.err = l.tellOver(ctx, s)
}
