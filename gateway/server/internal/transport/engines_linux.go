package transport

// Names are the engines of this system, the default first.
var Names = []string{Epoll, Net}
