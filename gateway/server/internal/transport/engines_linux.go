package transport

// Names lists the engines of this system, the default first. It must not be modified.
var Names = []string{Epoll, Net}
